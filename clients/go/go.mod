module gradwire

go 1.19
