package gradwire

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Error is any of *Refused, *Unreachable, *TimedOut and *BadReply; errors.As finds it, and each of them.
type Error interface {
	error
	isGradwire()
}

// Refused is a problem with which the service answered. Its text is the problem's detail, then those of its errors that the detail does
// not mention, a line each.
type Refused struct {
	Status     int           // of HTTP: 4xx or 5xx
	Title      string        // the status in words
	Detail     string        // what was found, and what would do
	Errors     []FieldError  // the fields that are wrong, if it is about fields
	RetryAfter time.Duration // how long the service asks to wait; 0 where it does not
	RequestID  string        // under which the service's log has it
}

// FieldError is one field that is wrong.
type FieldError struct {
	Pointer string `json:"pointer"` // RFC 6901, into the request as JSON has it: /labels/3/0
	Detail  string `json:"detail"`
}

// Unreachable says that there is no connection to the service, or that it ended before a reply came.
type Unreachable struct {
	URL string
	Err error // the system's reason

	isHungUp bool // there was a connection
}

// TimedOut says that the client's timeout or the context's deadline passed. It is context.DeadlineExceeded too.
type TimedOut struct {
	After   time.Duration // what the call had
	Waiting string        // for what: a connection, a reply, the rest of a reply
}

// BadReply says that what answered is not gradwire, or that its reply is cut, malformed, or of another shape than was asked for.
type BadReply struct {
	URL       string
	Status    int    // of HTTP; 0 where none came
	Found     string // what came
	Expected  string // what should have
	RequestID string // if any came
}

func (refused *Refused) Error() string {
	lines := []string{refused.Detail}
	if refused.Detail == "" {
		lines[0] = fmt.Sprintf("%d %s", refused.Status, refused.Title)
	}
	for _, each := range refused.Errors {
		if line := each.Pointer + ": " + each.Detail; !strings.Contains(refused.Detail, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func (unreachable *Unreachable) Error() string {
	return fmt.Sprintf("no reply from %s: %v; is the service running there?", unreachable.URL, unreachable.Err)
}

func (timedOut *TimedOut) Error() string {
	return fmt.Sprintf("%v passed waiting for %s; a longer timeout may do", timedOut.After, timedOut.Waiting)
}

func (bad *BadReply) Error() string {
	return fmt.Sprintf("%s: expected %s, found %s", bad.URL, bad.Expected, bad.Found)
}

// Unwrap is the system's reason.
func (unreachable *Unreachable) Unwrap() error { return unreachable.Err }

// Unwrap is context.DeadlineExceeded.
func (timedOut *TimedOut) Unwrap() error { return context.DeadlineExceeded }

// Timeout is true, as net.Error has it.
func (timedOut *TimedOut) Timeout() bool { return true }

func (*Refused) isGradwire()     {}
func (*Unreachable) isGradwire() {}
func (*TimedOut) isGradwire()    {}
func (*BadReply) isGradwire()    {}
