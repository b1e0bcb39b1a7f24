// Command image packs binaries of the operator as a container image, and pushes that image.
//
// It knows what an image, a list of its parts (SBOM) and a statement of its origin (provenance) hold. It
// may import what reads and writes those. It must never compile, ask git, or read a clock: whatever it
// says of a binary, the Go toolchain has written into that binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// run does what the first argument says, with the flags behind it.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "pack":
			return runPack(args[1:], out)
		case "push":
			return runPush(ctx, args[1:], out)
		}
	}
	return errors.New("usage: image pack FLAG… BINARY…, or image push FLAG…")
}
