package gradwire_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	"gradwire"
)

var softmax = gradwire.Job[float32]{
	Loss:   "softmax_cross_entropy",
	Scores: [][]float32{{2.0, 0.5, -1.0}, {0.1, 1.2, 3.0}},
	Labels: [][]int{{0}, {1, 2}},
}

var forms = map[string]gradwire.Form{"binary": gradwire.Binary, "json": gradwire.JSON}

// env is a setting of clients/README.md; a test that lacks it is skipped.
func env(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Skipf("%s is not set; clients/README.md says what it is", name)
	}
	return value
}

func newClient(t *testing.T, address string, options ...gradwire.Option) *gradwire.Client {
	t.Helper()
	client, err := gradwire.New(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// faulty is a client of the server that misbehaves in this way.
func faulty(t *testing.T, fault string, options ...gradwire.Option) *gradwire.Client {
	t.Helper()
	return newClient(t, env(t, "GRADWIRE_FAULTS_URL")+"/"+fault, options...)
}

func grad(client *gradwire.Client) (*gradwire.Reply[float32], error) {
	return gradwire.Grad(context.Background(), client, softmax)
}

// works fails the test unless the golden job gets its golden answer.
func works(t *testing.T, client *gradwire.Client) {
	t.Helper()
	reply, err := grad(client)
	if err != nil {
		t.Fatal(err)
	}
	same(t, reply.Loss, 0.67021304, 1e-5)
	same(t, reply.Grad, []any{[]any{-0.10720149, 0.087645195, 0.019556286}, []any{0.022544546, -0.18227243, 0.15972787}}, 1e-5)
}

// errorAs is the error as one type, and checks that it is of gradwire's kind.
func errorAs[E error](t *testing.T, err error) E {
	t.Helper()
	var found E
	if !errors.As(err, &found) {
		t.Fatalf("found %T (%v), expected %T", err, err, found)
	}
	var kind gradwire.Error
	if !errors.As(err, &kind) {
		t.Errorf("%T is no gradwire.Error", err)
	}
	return found
}

type stats struct{ Connections, Open, Requests int }

// statsOf is what the fault server has counted: of everything, or of a token.
func statsOf(t *testing.T, token string) (counted stats) {
	t.Helper()
	address := env(t, "GRADWIRE_FAULTS_URL") + "/stats"
	if token != "" {
		address += "/" + token
	}
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&counted); err != nil {
		t.Fatal(err)
	}
	return counted
}

// took fails the test if something took longer than it should.
func took(t *testing.T, began time.Time, most time.Duration) {
	t.Helper()
	if passed := time.Since(began); passed > most {
		t.Errorf("took %v, expected at most %v", passed, most)
	}
}

func token(t *testing.T) string {
	return "go-" + time.Now().Format("150405.000000000") // its own for each test
}
