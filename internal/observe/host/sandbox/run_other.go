//go:build !linux || !(amd64 || arm64)

package sandbox

import "context"

func run(context.Context, Command) (Output, error) { return Output{}, ErrUnsupported }
