// The smallest program that asks for a loss and its gradient.
package main

import (
	"context"
	"fmt"
	"os"

	"gradwire"
)

func main() {
	address := os.Getenv("GRADWIRE_URL")
	if address == "" {
		address = "http://127.0.0.1:8000"
	}
	client, err := gradwire.New(address)
	exitOn(err)
	reply, err := gradwire.Grad(context.Background(), client, gradwire.Job[float32]{
		Loss:   "softmax_cross_entropy",
		Scores: [][]float32{{2.0, 0.5, -1.0}, {0.1, 1.2, 3.0}},
		Labels: [][]int{{0}, {1, 2}},
	})
	exitOn(err)
	fmt.Println(reply.Loss)
	for _, row := range reply.Grad {
		fmt.Println(row)
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
