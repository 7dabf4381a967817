package gradwire_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"gradwire"
)

func TestWrongUseIsRefusedInTheServicesWords(t *testing.T) {
	nan := float32(math.NaN())
	wrong := map[string]struct {
		job     gradwire.Job[float32]
		pointer string
	}{
		"ragged scores":        {gradwire.Job[float32]{Scores: [][]float32{{1, 2}, {3}}, Labels: [][]int{{0}, {1}}}, "/scores/1"},
		"ragged targets":       {gradwire.Job[float32]{Scores: [][]float32{{1}}, Targets: [][]float32{{1}, {}}}, "/targets/1"},
		"NaN":                  {gradwire.Job[float32]{Scores: [][]float32{{1, nan}}, Labels: [][]int{{0}}}, "/scores/0/1"},
		"label out of range":   {gradwire.Job[float32]{Scores: [][]float32{{1, 2}}, Labels: [][]int{{2}}}, "/labels/0/0"},
		"weights nested badly": {gradwire.Job[float32]{Scores: [][]float32{{1, 2}, {1, 2}}, Labels: [][]int{{0}, {1}}, LabelWeights: [][]float32{{1, 1}, {}}}, "/label_weights/0"},
		"weights not nested":   {gradwire.Job[float32]{Scores: [][]float32{{1, 2}}, Labels: [][]int{{0}}, SingleLabelWeights: []float32{1}}, "/label_weights"},
		"weights of nothing":   {gradwire.Job[float32]{Scores: [][]float32{{1, 2}}, LabelWeights: [][]float32{{1}}}, "/label_weights"},
		"an infinity":          {gradwire.Job[float32]{Scores: [][]float32{{1, float32(math.Inf(1))}}, Labels: [][]int{{0}}}, "/scores/0/1"},
		"no rows":              {gradwire.Job[float32]{Scores: [][]float32{}, Labels: [][]int{}}, "/scores"},
		"no scores":            {gradwire.Job[float32]{Labels: [][]int{{0}}}, "/scores"},
		"NaN for a parameter":  {gradwire.Job[float32]{Scores: [][]float32{{1}}, Targets: [][]float32{{1}}, Loss: "focal", Params: map[string]any{"gamma": math.NaN()}}, "/params/gamma"},
		"an unknown reduction": {gradwire.Job[float32]{Scores: [][]float32{{1}}, Labels: [][]int{{}}, Reduction: "avg"}, "/reduction"},
	}
	for name, each := range wrong {
		for form, value := range forms {
			_, err := gradwire.Grad(context.Background(), newClient(t, env(t, "GRADWIRE_URL"), gradwire.WithForm(value)), each.job)
			refused := errorAs[*gradwire.Refused](t, err)
			if refused.Status != 422 || len(refused.Errors) == 0 || !strings.HasPrefix(refused.Errors[0].Pointer, each.pointer) {
				t.Errorf("%s, %s: found %+v, expected 422 at %s", name, form, refused, each.pointer)
			}
		}
	}
}

func TestBothKindsOfLabelsAreRefused(t *testing.T) {
	job := softmax
	job.SingleLabels = []int{0, 1}
	_, err := gradwire.Grad(context.Background(), newClient(t, env(t, "GRADWIRE_URL")), job)
	if refused := errorAs[*gradwire.Refused](t, err); refused.Status != 400 || !strings.Contains(refused.Detail, "labels") {
		t.Errorf("found %+v", refused)
	}
}

func TestAParameterThatCannotBeWrittenIsNamed(t *testing.T) {
	job := softmax
	job.Params = map[string]any{"gamma": make(chan int)}
	if _, err := gradwire.Grad(context.Background(), newClient(t, "http://127.0.0.1:1"), job); err == nil || !strings.Contains(err.Error(), `"gamma"`) {
		t.Errorf("found %v", err)
	}
}

func TestMinusInfinityMasksAClassInTheBinaryForm(t *testing.T) {
	job := gradwire.Job[float64]{Scores: [][]float64{{2, math.Inf(-1), -1}, {0.1, 1.2, 3}}, Labels: [][]int{{0}, {1, 2}}}
	reply, err := gradwire.Grad(context.Background(), newClient(t, env(t, "GRADWIRE_URL")), job)
	if err != nil || reply.Grad[0][1] != 0 || reply.Grad[0][0] == 0 {
		t.Errorf("found %+v, %v", reply, err)
	}
}

func TestAJobInAnotherPrecisionThanItsScores(t *testing.T) {
	for _, form := range forms {
		client := newClient(t, env(t, "GRADWIRE_URL"), gradwire.WithForm(form))
		job := softmax
		job.Dtype = "float64"
		reply, err := gradwire.Grad(context.Background(), client, job)
		if err != nil {
			t.Fatal(err)
		}
		same(t, reply.Loss, 0.67021304, 1e-5)
		narrow := gradwire.Job[float64]{Scores: [][]float64{{2, 0.5}}, Labels: [][]int{{0}}, Dtype: "float32"}
		wide, err := gradwire.Grad(context.Background(), client, narrow)
		if err != nil || wide.Loss != float64(float32(wide.Loss)) {
			t.Errorf("found %+v, %v", wide, err)
		}
		large := gradwire.Job[float32]{Scores: [][]float32{{3e38}}, Targets: [][]float32{{0}}, SampleWeight: []float32{2}, Loss: "bce", Dtype: "float64"}
		_, err = gradwire.Loss(context.Background(), client, large)
		errorAs[*gradwire.BadReply](t, err)
	}
}

func TestAKeyIsSent(t *testing.T) {
	address := env(t, "GRADWIRE_LOCKED_URL")
	works(t, newClient(t, address, gradwire.WithKey(env(t, "GRADWIRE_LOCKED_KEY"))))
	for _, options := range [][]gradwire.Option{{}, {gradwire.WithKey("another")}} {
		_, err := grad(newClient(t, address, options...))
		if refused := errorAs[*gradwire.Refused](t, err); refused.Status != 401 || !strings.Contains(refused.Detail, "key") {
			t.Errorf("found %+v", refused)
		}
	}
}

func TestABodyThatIsTooLargeIsRefusedAndNotLost(t *testing.T) {
	client := newClient(t, env(t, "GRADWIRE_LOCKED_URL"), gradwire.WithKey(env(t, "GRADWIRE_LOCKED_KEY")))
	for _, columns := range []int{200, 1_000, 2_000, 20_000} { // 160 kB to 16 MB
		row := make([]float64, columns)
		job := gradwire.Job[float64]{}
		for n := 0; n < 100; n++ {
			job.Scores, job.Labels = append(job.Scores, row), append(job.Labels, []int{0})
		}
		for n := 0; n < 3; n++ {
			_, err := gradwire.Grad(context.Background(), client, job)
			if refused := errorAs[*gradwire.Refused](t, err); refused.Status != 413 || !strings.Contains(refused.Detail, "100000") {
				t.Errorf("%d columns: found %+v", columns, refused)
			}
		}
	}
	works(t, client)
}

func TestALargeBatch(t *testing.T) {
	const rows, columns = 2_000, 500 // 8 MB each way
	job := gradwire.Job[float64]{Reduction: "none", Loss: "bce"}
	for n := 0; n < rows; n++ {
		job.Scores, job.Labels = append(job.Scores, make([]float64, columns)), append(job.Labels, []int{n % columns})
	}
	reply, err := gradwire.Grad(context.Background(), newClient(t, env(t, "GRADWIRE_URL")), job)
	if err != nil || len(reply.Grad) != rows || len(reply.ElementLosses) != rows || reply.Grad[7][7] != -0.5 || reply.Grad[7][8] != 0.5 {
		t.Errorf("found %v", err)
	}
}

func TestChunkedReplies(t *testing.T) {
	for _, form := range forms {
		works(t, faulty(t, "chunked", gradwire.WithForm(form)))
	}
}

func TestOneConnectionServesManyRequests(t *testing.T) {
	before := statsOf(t, "")
	client := faulty(t, "golden/softmax")
	for n := 0; n < 100; n++ {
		works(t, client)
	}
	after := statsOf(t, "")
	if after.Connections-before.Connections != 1 || after.Requests-before.Requests != 100 {
		t.Errorf("found %+v, then %+v", before, after)
	}
}

func TestManyGoroutinesShareAClient(t *testing.T) {
	client := newClient(t, env(t, "GRADWIRE_URL"))
	var all sync.WaitGroup
	for n := 0; n < 8; n++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for n := 0; n < 20; n++ {
				if reply, err := grad(client); err != nil || math.Abs(float64(reply.Loss)-0.67021304) > 1e-5 {
					t.Errorf("found %+v, %v", reply, err)
				}
			}
		}()
	}
	all.Wait()
}

func TestNothingStaysOpen(t *testing.T) {
	before := statsOf(t, "").Open
	for _, fault := range []string{"silent", "stalls", "cut", "html", "redirect", "wrong-shape", "status/422", "golden/softmax"} {
		client := faulty(t, fault, gradwire.WithTimeout(100*time.Millisecond))
		_, _ = grad(client)
		client.Close()
	}
	for patience := 0; statsOf(t, "").Open > before; patience++ {
		if patience == 20 {
			t.Fatalf("found %+v, with %d open before", statsOf(t, ""), before)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestAPathInTheAddressAndAnotherHTTPClientAreKept(t *testing.T) {
	own := &http.Client{Transport: &http.Transport{}}
	works(t, newClient(t, env(t, "GRADWIRE_FAULTS_URL")+"/golden/softmax/", gradwire.WithHTTPClient(own)))
	_, err := grad(faulty(t, "redirect", gradwire.WithHTTPClient(own)))
	errorAs[*gradwire.BadReply](t, err)
	if own.CheckRedirect != nil {
		t.Error("the client that was given has been changed")
	}
}

func TestAddressesAndOptionsAreChecked(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:8000", "ftp://a", "http://", "http://a?b", "http://a/%zz", "http://u:secret@a b"} {
		if client, err := gradwire.New(address); err == nil || client != nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: found %v", address, err)
		}
	}
	wrong := []gradwire.Option{gradwire.WithKey("a\n"), gradwire.WithTimeout(0), gradwire.WithRetries(-1), gradwire.WithForm(7)}
	for n, option := range wrong {
		if client, err := gradwire.New("http://a", option); err == nil || client != nil {
			t.Errorf("option %d: found %v", n, err)
		}
	}
	_, err := grad(newClient(t, "http://u:secret@127.0.0.1:1"))
	if strings.Contains(err.Error(), "secret") || errors.Is(err, context.Canceled) {
		t.Errorf("found %v", err)
	}
}
