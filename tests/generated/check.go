// What a user of the generated Go client would write.
package main

import (
	"context"
	"fmt"
	"os"

	"gradwire.test/gradwire"
)

func main() {
	configuration := gradwire.NewConfiguration()
	configuration.Servers = gradwire.ServerConfigurations{{URL: os.Args[1]}}
	client, ctx := gradwire.NewAPIClient(configuration), context.Background()

	request := gradwire.NewGradRequest([][]float64{{2.0, 0.5, -1.0}, {0.1, 1.2, 3.0}})
	labels := gradwire.Labels{ArrayOfArrayOfInt64: &[][]int64{{0}, {1, 2}}}
	request.SetLabels(labels)
	request.SetDtype("float64")
	reply, _, err := client.LossesAPI.Grad(ctx).GradRequest(*request).Execute()
	if err != nil {
		fail(err)
	}
	fmt.Println(*reply.Loss.Float64, reply.Grad)

	losses, _, err := client.CatalogueAPI.ListLosses(ctx).Execute()
	if err != nil {
		fail(err)
	}
	for _, each := range losses {
		fmt.Print(each.Name, " ")
	}
	fmt.Println()

	request.SetLabels(gradwire.Labels{ArrayOfArrayOfInt64: &[][]int64{{0}, {7}}})
	_, refusal, err := client.LossesAPI.Grad(ctx).GradRequest(*request).Execute()
	problem, is := err.(*gradwire.GenericOpenAPIError).Model().(gradwire.Problem)
	if !is {
		fail(err)
	}
	fmt.Println(refusal.StatusCode, problem.Errors[0].Pointer, problem.Errors[0].Detail)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
