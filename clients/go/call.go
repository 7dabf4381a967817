package gradwire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

const mostReplyBytes = 1 << 30

// call is a request that may be sent more than once.
type call struct {
	path string
	body []byte
	form Form
}

// answer is what came back, whole.
type answer struct {
	url    string // for people
	status int
	header http.Header
	body   []byte
}

// send sends a call until it is answered, refused for good, or out of time.
func (client *Client) send(parent context.Context, call call) (*answer, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(parent, client.timeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		answer, waitingFor, err := client.attempt(ctx, call)
		if err != nil && ctx.Err() != nil {
			return nil, ended(ctx, began, waitingFor)
		}
		wait, isWorthIt := pause(answer, err, attempt)
		if !isWorthIt || attempt >= client.retries || outlasts(ctx, wait) {
			return answer, err
		}
		if !slept(ctx, wait) {
			return nil, ended(ctx, began, "the next attempt at POST "+client.shown+call.path)
		}
	}
}

// attempt sends a call once. waitingFor is what it waited for last.
func (client *Client) attempt(ctx context.Context, call call) (_ *answer, waitingFor string, _ error) {
	url := client.shown + call.path
	seen := progress{}
	request, err := client.request(seen.watched(ctx), call)
	if err != nil {
		return nil, "", fmt.Errorf("gradwire: %w", err)
	}
	response, err := client.http.Do(request)
	if err != nil {
		return nil, seen.waitingFor(url), seen.failure(url, err)
	}
	defer response.Body.Close()
	body, err := whole(response)
	if err != nil {
		bad := &BadReply{URL: url, Status: response.StatusCode, RequestID: requestID(response.Header)}
		bad.Expected, bad.Found = "a whole reply", err.Error()
		return nil, seen.waitingFor(url), bad
	}
	return &answer{url, response.StatusCode, response.Header, body}, "", nil
}

func (client *Client) request(ctx context.Context, call call) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, client.url+call.path, bytes.NewReader(call.body))
	if err != nil {
		return nil, err
	}
	request.Header = http.Header{
		"Content-Type":         {call.form.mediaType()},
		"Accept":               {call.form.mediaType()},
		"Accept-Encoding":      {"identity"},
		"User-Agent":           {"gradwire-go"},
		"X-Request-Timeout-Ms": {leftMs(ctx)},
	}
	if client.key != "" {
		request.Header.Set("Authorization", "Bearer "+client.key)
	}
	if len(call.body) >= largeBodyBytes {
		request.Header.Set("Expect", "100-continue") // a refusal before the body is sent is not lost with the connection
	}
	return request, nil
}

// leftMs is how long the call still has, in milliseconds, at least 1.
func leftMs(ctx context.Context) string {
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline).Milliseconds()
	if left < 1 {
		left = 1
	}
	if left > longestTimeoutMs {
		left = longestTimeoutMs
	}
	return strconv.FormatInt(left, 10)
}

// whole reads a body to its end, so that its connection can be used again.
func whole(response *http.Response) ([]byte, error) {
	if response.ContentLength > mostReplyBytes {
		return nil, fmt.Errorf("one of %d bytes; at most %d are read", response.ContentLength, mostReplyBytes)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, mostReplyBytes+1))
	if err != nil {
		return nil, fmt.Errorf("one that ended after %d bytes (%w)", len(body), err)
	}
	if len(body) > mostReplyBytes {
		return nil, fmt.Errorf("one of more than %d bytes", mostReplyBytes)
	}
	return body, nil
}

// ended is the error of a call whose context is over.
func ended(ctx context.Context, began time.Time, waitingFor string) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("gradwire: cancelled while waiting for %s: %w", waitingFor, context.Canceled)
	}
	deadline, _ := ctx.Deadline()
	return &TimedOut{After: deadline.Sub(began).Round(time.Millisecond), Waiting: waitingFor}
}

// progress is how far an attempt has come; the transport's goroutines tell it.
type progress struct{ isConnected, isAnswered atomic.Bool }

func (progress *progress) watched(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(httptrace.GotConnInfo) { progress.isConnected.Store(true) },
		GotFirstResponseByte: func() { progress.isAnswered.Store(true) },
	})
}

func (progress *progress) waitingFor(url string) string {
	switch {
	case progress.isAnswered.Load():
		return "the rest of the reply to POST " + url
	case progress.isConnected.Load():
		return "a reply to POST " + url
	}
	return "a connection for POST " + url
}

// failure is the error of an attempt without a reply: a connection that is not there or broke, or something that is no HTTP.
func (progress *progress) failure(address string, err error) error {
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		err = wrapped.Err // without the address, which is said already
	}
	if progress.isAnswered.Load() {
		return &BadReply{URL: address, Expected: "a reply of HTTP", Found: err.Error()}
	}
	return &Unreachable{URL: address, Err: err, isHungUp: progress.isConnected.Load()}
}
