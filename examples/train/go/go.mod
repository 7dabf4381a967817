module gradwire/examples/train

go 1.19

require gradwire v0.0.0

replace gradwire => ../../../clients/go
