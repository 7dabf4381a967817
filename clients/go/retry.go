package gradwire

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

const (
	firstPause   = 100 * time.Millisecond // then twice as long each time
	longestPause = 24 * time.Hour
)

// pause is how long to wait before another attempt, and whether one may help: the service is busy or starting, or the connection ended
// before any byte of a reply.
func pause(answer *answer, err error, attempt int) (time.Duration, bool) {
	if unreachable := new(Unreachable); errors.As(err, &unreachable) {
		return 0, unreachable.isHungUp
	}
	if err != nil || (answer.status != http.StatusTooManyRequests && answer.status != http.StatusServiceUnavailable) {
		return 0, false
	}
	if after, isThere := retryAfter(answer.header); isThere {
		return after, true
	}
	return firstPause << attempt, true
}

// retryAfter is the header of that name, in seconds or as a date.
func retryAfter(header http.Header) (time.Duration, bool) {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if left := time.Until(date); left > 0 {
		return left, true
	}
	return 0, true
}

// outlasts says whether a wait would take all that is left.
func outlasts(ctx context.Context, wait time.Duration) bool {
	deadline, _ := ctx.Deadline()
	return wait > 0 && time.Until(deadline) <= wait
}

// slept waits, and says whether it could.
func slept(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
