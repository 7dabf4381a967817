// A small network that learns a multi-label task: everything is here but the loss and its gradient, which come from gradwire.
// ../README.md says what it does, number by number, so that its weights can be compared with PyTorch's.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"gradwire"
)

// options are those of the command line.
type options struct {
	url, data, out, loss, dtype, form, runtime string
	epochs, batch, hidden                      int
	rate                                       float64
	seed                                       uint64
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, strings.ReplaceAll(err.Error(), "\n", "; "))
		os.Exit(1)
	}
}

func run(arguments []string) error {
	options, err := parsed(arguments)
	if err != nil {
		return err
	}
	rows, inputs, classes, err := readRows(options.data)
	if err != nil {
		return err
	}
	ask, err := asking(options)
	if err != nil {
		return err
	}
	draw := generator(options.seed)
	net := newNetwork(inputs, options.hidden, classes, draw)
	began := time.Now()
	trained, err := train(net, rows, options, draw, ask)
	if err != nil {
		return err
	}
	return write(options.out, time.Since(began).Seconds(), trained, net)
}

func parsed(arguments []string) (options, error) {
	var given options
	flags := flag.NewFlagSet("train", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error is one line, without the usage
	flags.StringVar(&given.url, "url", "", "")
	flags.StringVar(&given.data, "data", "", "")
	flags.StringVar(&given.out, "out", "", "")
	flags.StringVar(&given.loss, "loss", "softmax_cross_entropy", "")
	flags.StringVar(&given.dtype, "dtype", "float64", "")
	flags.StringVar(&given.form, "form", "binary", "")
	flags.StringVar(&given.runtime, "runtime", "pytorch", "")
	flags.IntVar(&given.epochs, "epochs", 20, "")
	flags.IntVar(&given.batch, "batch", 64, "")
	flags.IntVar(&given.hidden, "hidden", 32, "")
	flags.Float64Var(&given.rate, "rate", 0.1, "")
	flags.Uint64Var(&given.seed, "seed", 1, "")
	if err := flags.Parse(arguments); err != nil {
		return given, err
	}
	return given, given.check(flags.Args())
}

// check says what is missing, or out of its range.
func (given options) check(others []string) error {
	switch {
	case len(others) > 0:
		return fmt.Errorf("found the argument %q; expected only options", others[0])
	case given.url == "" || given.data == "" || given.out == "":
		return fmt.Errorf("--url, --data and --out are needed")
	case given.form != "binary" && given.form != "json":
		return fmt.Errorf("--form: found %q; expected binary or json", given.form)
	case given.epochs < 1 || given.batch < 1 || given.hidden < 1:
		return fmt.Errorf("--epochs, --batch and --hidden are at least 1")
	}
	return nil
}

// asker gives the loss of a batch and its gradient by the scores.
type asker func(scores [][]float64, labels [][]int) (loss float64, grad [][]float64, err error)

// asking is gradwire in the form and precision that were asked for.
func asking(given options) (asker, error) {
	form := gradwire.Binary
	if given.form == "json" {
		form = gradwire.JSON
	}
	client, err := gradwire.New(given.url, gradwire.WithForm(form))
	if err != nil {
		return nil, err
	}
	return func(scores [][]float64, labels [][]int) (float64, [][]float64, error) {
		job := gradwire.Job[float64]{Loss: given.loss, Dtype: given.dtype, Runtime: given.runtime, Scores: scores, Labels: labels}
		reply, err := gradwire.Grad(context.Background(), client, job)
		if err != nil {
			return 0, nil, err
		}
		return reply.Loss, reply.Grad, nil
	}, nil
}
