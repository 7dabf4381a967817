package gradwire_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"gradwire"
)

func TestBusyAndDrainingAreTriedAgain(t *testing.T) {
	for _, fault := range []string{"busy", "draining"} {
		name := token(t)
		works(t, faulty(t, fault+"/2/"+name))
		if found := statsOf(t, name).Requests; found != 3 {
			t.Errorf("%s: found %d requests, expected 3", fault, found)
		}
	}
}

func TestRetriesAreCounted(t *testing.T) {
	name := token(t)
	_, err := grad(faulty(t, "busy/9/"+name, gradwire.WithRetries(2)))
	if refused := errorAs[*gradwire.Refused](t, err); refused.Status != 429 {
		t.Errorf("found %+v", refused)
	}
	if found := statsOf(t, name).Requests; found != 3 {
		t.Errorf("found %d requests, expected 3", found)
	}
}

func TestAWaitThatOutlastsTheTimeoutIsNotBegun(t *testing.T) {
	began := time.Now()
	_, err := grad(faulty(t, "later"))
	if refused := errorAs[*gradwire.Refused](t, err); refused.Status != 429 || refused.RetryAfter != time.Hour {
		t.Errorf("found %+v", refused)
	}
	took(t, began, time.Second)
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	began := time.Now()
	_, err := grad(faulty(t, "status/503", gradwire.WithRetries(1)))
	errorAs[*gradwire.Refused](t, err)
	if passed := time.Since(began); passed < time.Second {
		t.Errorf("came again after %v, expected 1 s", passed)
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	began := time.Now()
	if _, err := gradwire.Grad(ctx, faulty(t, "status/429"), softmax); err == nil || ctx.Err() == nil {
		t.Errorf("found %v", err)
	}
	took(t, began, 800*time.Millisecond)
}

func TestPausesDoubleWithoutRetryAfter(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
	defer server.Close()
	began := time.Now()
	_, err := grad(newClient(t, server.URL, gradwire.WithRetries(2)))
	errorAs[*gradwire.BadReply](t, err) // for it has no problem in it
	if passed := time.Since(began); passed < 300*time.Millisecond || passed > 900*time.Millisecond {
		t.Errorf("took %v, expected 0.1 s and 0.2 s", passed)
	}
}

func TestAConnectionThatEndedIsReplaced(t *testing.T) {
	client := faulty(t, "stale/"+token(t))
	for n := 0; n < 10; n++ {
		works(t, client)
	}
	works(t, faulty(t, "closing"))
}

func TestAServerThatAlwaysHangsUpIsUnreachable(t *testing.T) {
	before := statsOf(t, "").Requests
	_, err := grad(faulty(t, "hang-up"))
	errorAs[*gradwire.Unreachable](t, err)
	if tried := statsOf(t, "").Requests - before; tried != 4 {
		t.Errorf("tried %d times, expected 4", tried)
	}
}

func TestTheServiceIsToldWhatIsLeft(t *testing.T) {
	var told []int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		left, _ := strconv.Atoi(request.Header.Get("X-Request-Timeout-Ms"))
		told = append(told, left)
		w.WriteHeader(429)
	}))
	defer server.Close()
	_, err := grad(newClient(t, server.URL, gradwire.WithTimeout(5*time.Second), gradwire.WithRetries(1)))
	errorAs[*gradwire.BadReply](t, err)
	if len(told) != 2 || told[0] <= 4000 || told[0] > 5000 || told[1] > told[0]-100 {
		t.Errorf("told %v", told)
	}
}

func TestTheServiceIsAskedBeforeALargeBodyIsSent(t *testing.T) {
	var expected []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		expected = append(expected, request.Header.Get("Expect"))
		w.WriteHeader(413) // the body stays unread
	}))
	defer server.Close()
	client := newClient(t, server.URL)
	_, small := grad(client)
	_, large := gradwire.Grad(context.Background(), client, gradwire.Job[float64]{Scores: [][]float64{make([]float64, 1<<22)}})
	for _, err := range []error{small, large} {
		if bad := errorAs[*gradwire.BadReply](t, err); bad.Status != 413 {
			t.Errorf("found %v", bad)
		}
	}
	if len(expected) != 2 || expected[0] != "" || expected[1] != "100-continue" {
		t.Errorf("found %q", expected)
	}
}

func TestAReplyThatIsTooLargeIsNotRead(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		w.Header().Set("Content-Length", "99999999999")
		w.WriteHeader(200)
		_, _ = w.Write([]byte("{"))
		w.(http.Flusher).Flush()
		<-request.Context().Done()
	}))
	defer server.Close()
	began := time.Now()
	_, err := grad(newClient(t, server.URL))
	if bad := errorAs[*gradwire.BadReply](t, err); bad.Status != 200 {
		t.Errorf("found %v", bad)
	}
	took(t, began, time.Second)
}
