package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

// readRows reads "rows inputs classes", then a line a row: features, then labels 0 or 1.
func readRows(path string) (rows []row, inputs, classes int, _ error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, 0, err
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	counts, err := numbers(lines[0], 3)
	if err != nil || !isCounts(counts) || len(lines) != 1+int(counts[0]) {
		return nil, 0, 0, fmt.Errorf("%s: expected a first line with rows, inputs and classes, and as many lines behind it", path)
	}
	inputs, classes = int(counts[1]), int(counts[2])
	for n, line := range lines[1:] {
		values, err := numbers(line, inputs+classes)
		if err != nil {
			return nil, 0, 0, fmt.Errorf("%s:%d: %w", path, n+2, err)
		}
		labels, err := indices(values[inputs:])
		if err != nil {
			return nil, 0, 0, fmt.Errorf("%s:%d: %w", path, n+2, err)
		}
		rows = append(rows, row{values[:inputs:inputs], labels})
	}
	return rows, inputs, classes, nil
}

// numbers are those of a line, which has so many.
func numbers(line string, count int) ([]float64, error) {
	words := strings.Fields(line)
	if len(words) != count {
		return nil, fmt.Errorf("found %d numbers, expected %d", len(words), count)
	}
	values := make([]float64, count)
	for n, word := range words {
		value, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, fmt.Errorf("found %q, expected a number", word)
		}
		values[n] = value
	}
	return values, nil
}

func isCounts(values []float64) bool {
	for _, value := range values {
		if value < 1 || value > math.MaxInt32 || value != math.Trunc(value) {
			return false
		}
	}
	return true
}

// indices are the places of the ones; a row without any has an empty list.
func indices(flags []float64) ([]int, error) {
	labels := []int{}
	for class, flag := range flags {
		switch flag {
		case 0:
		case 1:
			labels = append(labels, class)
		default:
			return nil, errors.New("a label is neither 0 nor 1")
		}
	}
	return labels, nil
}

// write writes the results, and the weights with 17 significant digits.
func write(path string, seconds float64, told result, net *network) error {
	var out bytes.Buffer
	text := bufio.NewWriter(&out)
	parts := [][]float64{net.first.weight, net.first.bias, net.second.weight, net.second.bias}
	count := 0
	for _, part := range parts {
		count += len(part)
	}
	fmt.Fprintf(text, "seconds %.6f\nrequests %d\nloss %.17g\nweights %d\n", seconds, told.requests, told.loss, count)
	for _, part := range parts {
		for _, weight := range part {
			fmt.Fprintf(text, "%.17g\n", weight)
		}
	}
	text.Flush()
	return os.WriteFile(path, out.Bytes(), 0o644)
}
