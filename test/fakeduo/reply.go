package fakeduo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The codes of Duo's envelope. Their first three digits are the HTTP status.
const (
	codeMissing         = 40001
	codeInvalid         = 40002
	codeNoCredentials   = 40101
	codeIntegrationKey  = 40102
	codeSignature       = 40103
	codeNoTimestamp     = 40104
	codeTimestamp       = 40105
	codeContentType     = 40106
	codeForbidden       = 40301
	codeNotFound        = 40401
	codeMethod          = 40501
	codeLength          = 41101 // ours: Duo reads chunked bodies, our client must not send them
	codeTooLarge        = 41301
	codeTooManyRequests = 42901
	codeInternal        = 50000
	codeUnavailable     = 50300
)

var messages = map[int]string{
	codeMissing:         "Missing required request parameters",
	codeInvalid:         "Invalid request parameters",
	codeNoCredentials:   "Missing request credentials",
	codeIntegrationKey:  "Invalid integration key in request credentials",
	codeSignature:       "Invalid signature in request credentials",
	codeNoTimestamp:     "Missing request timestamp",
	codeTimestamp:       "Bad request timestamp",
	codeContentType:     "Invalid content type",
	codeForbidden:       "Access forbidden",
	codeNotFound:        "Resource not found",
	codeMethod:          "Method not allowed",
	codeLength:          "Length required",
	codeTooLarge:        "Request too large",
	codeTooManyRequests: "Too many requests",
	codeInternal:        "Internal server error",
	codeUnavailable:     "Service unavailable",
}

// refusal is a FAIL answer on its way out.
type refusal struct {
	code   int
	detail string
}

func (r *refusal) Error() string { return fmt.Sprintf("fakeduo: %d %s", r.code, r.detail) }

func refuse(code int, detail string) error { return &refusal{code, detail} }

// reply is an answer ready to be sent.
type reply struct {
	status int
	code   int // Duo's code, 0 with stat OK
	header map[string]string
	body   []byte
}

func okReply(response any) reply {
	body, err := json.Marshal(struct {
		Stat     string `json:"stat"`
		Response any    `json:"response"`
	}{"OK", response})
	if err != nil {
		return failReply(codeInternal, "", err.Error())
	}
	return reply{status: http.StatusOK, body: body}
}

// failReply builds the failure envelope; an empty message stands for the code's own.
func failReply(code int, message, detail string) reply {
	if message == "" {
		message = messages[code]
	}
	body, _ := json.Marshal(struct { // strings and a number: cannot go wrong
		Stat    string `json:"stat"`
		Code    int    `json:"code"`
		Message string `json:"message"`
		Detail  string `json:"message_detail,omitempty"`
	}{"FAIL", code, message, detail})
	return reply{status: code / 100, code: code, body: body}
}

// send writes r, byte by byte with a pause before each if trickle is set.
func (s *Server) send(w http.ResponseWriter, req *http.Request, r reply, trickle time.Duration) {
	h := w.Header()
	if r.body != nil && r.body[0] == '<' {
		h.Set("Content-Type", "text/html; charset=utf-8")
	} else {
		h.Set("Content-Type", "application/json")
	}
	if s.skew.Load() != 0 { // a wrong clock shows here too
		h.Set("Date", s.now().UTC().Format(http.TimeFormat))
	}
	for k, v := range r.header {
		h.Set(k, v)
	}
	h.Set("Content-Length", strconv.Itoa(len(r.body)))
	w.WriteHeader(r.status)
	if trickle <= 0 {
		w.Write(r.body)
		return
	}
	flush := http.NewResponseController(w)
	flush.Flush()
	for i := range r.body {
		if !pause(req.Context(), trickle) {
			return
		}
		w.Write(r.body[i : i+1])
		flush.Flush()
	}
}
