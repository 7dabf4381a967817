package gradwire_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"gradwire"
)

func TestProblemsAreGivenBackWhole(t *testing.T) {
	var known map[string]struct {
		Headers map[string]string
		Problem struct{ Title, Detail string }
	}
	unmarshal(t, golden(t, "statuses.json"), &known)
	for status, expected := range known {
		client := faulty(t, "status/"+status, gradwire.WithRetries(0))
		_, err := grad(client)
		refused := errorAs[*gradwire.Refused](t, err)
		if fmt.Sprint(refused.Status) != status || refused.Detail != expected.Problem.Detail || refused.Title != expected.Problem.Title {
			t.Errorf("%s: found %+v", status, refused)
		}
		if after := expected.Headers["Retry-After"]; after != "" && refused.RetryAfter != time.Second {
			t.Errorf("%s: asked to come again after %v, expected %s s", status, refused.RetryAfter, after)
		}
		if !strings.HasPrefix(refused.Error(), refused.Detail) || refused.RequestID == "" {
			t.Errorf("%s: found %q, request id %q", status, refused, refused.RequestID)
		}
	}
	if len(known) < 9 {
		t.Errorf("found %d statuses", len(known))
	}
}

func TestFieldsThatTheDetailMentionsAreNotSaidTwice(t *testing.T) {
	refused := &gradwire.Refused{Detail: "/a: is wrong", Errors: []gradwire.FieldError{{"/a", "is wrong"}, {"/b/0", "too"}}}
	if refused.Error() != "/a: is wrong\n/b/0: too" {
		t.Errorf("found %q", refused)
	}
}

func TestBadReplies(t *testing.T) {
	expectations := map[string]string{
		"cut": "whole", "html": "text/html", "html-502": "status 502", "redirect": "/golden/softmax", "not-json": "found", "no-grad": "grad",
		"wrong-shape": "grad of shape [2 3], found [1 3]", "wrong-type": "grad", "null": "loss", "huge-header": "found", "other-form": "application/",
	}
	for fault, words := range expectations {
		for name, form := range forms {
			t.Run(fault+"/"+name, func(t *testing.T) {
				began := time.Now()
				_, err := grad(faulty(t, fault, gradwire.WithForm(form)))
				bad := errorAs[*gradwire.BadReply](t, err)
				if !strings.Contains(bad.Error(), words) || bad.Expected == "" || bad.Found == "" || bad.Status == 0 {
					t.Errorf("found %q (%+v), expected %q in it", bad, bad, words)
				}
				took(t, began, 2*time.Second)
				works(t, newClient(t, env(t, "GRADWIRE_FAULTS_URL")+"/golden/softmax", gradwire.WithForm(form)))
			})
		}
	}
}

func TestSlowRepliesTimeOut(t *testing.T) {
	for fault, waiting := range map[string]string{"silent": "a reply", "stalls": "the rest", "trickles": "the rest"} {
		began := time.Now()
		_, err := grad(faulty(t, fault, gradwire.WithTimeout(300*time.Millisecond)))
		timedOut := errorAs[*gradwire.TimedOut](t, err)
		if timedOut.After != 300*time.Millisecond || !strings.HasPrefix(timedOut.Waiting, waiting) {
			t.Errorf("%s: found %v", fault, timedOut)
		}
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) < 300*time.Millisecond {
			t.Errorf("%s: after %v: %v", fault, time.Since(began), err)
		}
		took(t, began, time.Second)
	}
}

func TestTheContextEndsACall(t *testing.T) {
	client := faulty(t, "silent")
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := gradwire.Grad(ctx, client, softmax)
	if timedOut := errorAs[*gradwire.TimedOut](t, err); timedOut.After > 210*time.Millisecond {
		t.Errorf("found %v", timedOut)
	}
	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(200*time.Millisecond, cancel)
	began := time.Now()
	if _, err = gradwire.Grad(ctx, client, softmax); !errors.Is(err, context.Canceled) {
		t.Errorf("found %v", err)
	}
	took(t, began, time.Second)
	for range [2]int{} { // one that is over before it begins
		if _, err = gradwire.Grad(ctx, client, softmax); !errors.Is(err, context.Canceled) {
			t.Errorf("found %v", err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, address := range []string{"http://" + closed.Addr().String(), "http://no-such-host.invalid"} {
		_, err := grad(newClient(t, address))
		unreachable := errorAs[*gradwire.Unreachable](t, err)
		if !strings.Contains(unreachable.Error(), address) || unreachable.Err == nil {
			t.Errorf("found %v", unreachable)
		}
	}
}

func TestAnHTTPServerThatSpeaksNoHTTP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for connection, err := listener.Accept(); err == nil; connection, err = listener.Accept() {
			_, _ = connection.Read(make([]byte, 1<<16)) // what is closed unread is reset
			fmt.Fprint(connection, "SSH-2.0-OpenSSH\r\n")
			connection.Close()
		}
	}()
	_, err = grad(newClient(t, "http://"+listener.Addr().String()))
	errorAs[*gradwire.BadReply](t, err)
}
