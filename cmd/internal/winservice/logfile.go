package winservice

import (
	"fmt"
	"os"
	"sync"

	"duoradiusd/internal/system"
)

// LogFile is the file of a service's log, because a service has no standard error. When the file is full, it is renamed to
// NAME.1 and replaces the file of that name.
type LogFile struct {
	name string
	most int64

	mu   sync.Mutex // guards all below
	file *os.File   // nil where it can't be opened
	size int64
}

// OpenLogFile opens the file of that name to append to it. most is its greatest size in octets.
func OpenLogFile(name string, most int64) (*LogFile, error) {
	l := &LogFile{name: name, most: most}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	return l, nil
}

func (l *LogFile) open() (err error) {
	l.file, err = os.OpenFile(l.name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		l.file = nil
		return err
	}
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	l.size = info.Size()
	return nil
}

// Write appends whole lines.
func (l *LogFile) Write(lines []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(lines)) > l.most {
		l.file.Close()
		// If the file can't be renamed, the log goes on in it: a file that is too large is better than no log.
		system.Rename(l.name, l.name+".1")
		if err := l.open(); err != nil {
			return 0, err
		}
	}
	if l.file == nil {
		if err := l.open(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(lines)
	l.size += int64(n)
	return n, err
}

// Close closes the file.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
