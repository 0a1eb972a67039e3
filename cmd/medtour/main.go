// Command medtour is the one program of Medtour: it serves the site, and does
// the work of an operator on the command line. See medtour --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/medtour/medtour/fault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes of the program.
const (
	exitOK = 0
	// exitFailed: the work failed, or part of it.
	exitFailed = 1
	// exitUsage: the command line or the configuration is wrong.
	exitUsage = 2
	// exitFindings: the work is done, and has found what a person must look at.
	exitFindings = 3
)

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, args []string, stdout, stderr *os.File) int {
	var cli cli
	exited := -1
	parser, err := kong.New(&cli,
		kong.Name("medtour"),
		kong.Description("Medtour: a marketplace and search engine for medical journeys to Shanghai.\n\nWithout a command it serves the site. Everything has a default: `medtour` alone starts with an embedded database, the starting catalogue and a local payment page on which no money moves."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(&output{stdout: stdout, stderr: stderr}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "medtour:", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "medtour: %v\nRun medtour --help to see what there is.\n", err)
		return exitUsage
	}
	err = parsed.Run(&cli.Config)
	switch {
	case errors.Is(err, errFindings):
		return exitFindings
	case err != nil:
		return complain(stderr, err)
	}
	return exitOK
}

// complain says what went wrong and what to do, and picks the exit code.
func complain(stderr *os.File, err error) int {
	var f *fault.Error
	if !errors.As(err, &f) {
		fmt.Fprintln(stderr, "medtour:", err)
		return exitFailed
	}
	var lines []string
	for _, field := range f.Fields {
		lines = append(lines, fmt.Sprintf("  %s: %s", field.Name, field.Message))
	}
	if f.Cause != nil && len(f.Fields) == 0 {
		lines = append(lines, "  cause: "+f.Cause.Error())
	}
	fmt.Fprintln(stderr, strings.Join(append([]string{"medtour: " + f.Message}, lines...), "\n"))
	if f.Kind == fault.Invalid {
		return exitUsage
	}
	return exitFailed
}

// output is where a command writes.
type output struct{ stdout, stderr *os.File }
