package radiusd

// Hold takes the lock of the table of exchanges, as a login would that never ends, until release is called.
func (s *Server) Hold() (release func()) {
	s.init()
	s.exchanges.mu.Lock()
	return s.exchanges.mu.Unlock
}
