// Package fault is the one error type of Medtour.
//
// Every error that can reach a person carries a Kind, which decides the HTTP
// status and the exit code, and a Message that is safe and useful to show. The
// cause stays inside: it is logged with the request id and never shown.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind says what sort of failure an error is. The set is closed: package web
// has one table from Kind to HTTP status.
type Kind string

const (
	// Invalid is input that can be corrected by whoever sent it.
	Invalid Kind = "invalid"
	// NotFound is a thing that does not exist or that the asker may not know of.
	NotFound Kind = "not_found"
	// Conflict is a change that lost against another: a taken id, a newer version.
	Conflict Kind = "conflict"
	// Gone is a thing that existed and has ended: an expired quote.
	Gone Kind = "gone"
	// Unauthorized is a missing or bad proof of identity.
	Unauthorized Kind = "unauthorized"
	// Forbidden is an act that a known person may not do.
	Forbidden Kind = "forbidden"
	// TooLarge is input over its limit.
	TooLarge Kind = "too_large"
	// TooMany is an act repeated over its limit.
	TooMany Kind = "too_many"
	// Unavailable is a dependency that does not answer; trying again may help.
	Unavailable Kind = "unavailable"
	// Canceled is work that its caller gave up.
	Canceled Kind = "canceled"
	// Internal is everything else: a defect of ours.
	Internal Kind = "internal"
)

// Field is one fault of one field of the input.
type Field struct {
	// Name is the path of the field as its sender knows it: "name.en".
	Name string `json:"field"`
	// Code is a stable key for translation, "required"; may be empty.
	Code string `json:"code,omitempty"`
	// Message says in English what is wrong and what to do.
	Message string `json:"message"`
}

// Error is an error with a kind and a message that is safe to show.
type Error struct {
	Kind Kind
	// Code is a stable key under which pages hold a translation of Message;
	// empty where there is none.
	Code string
	// Message says in English what is wrong and what to do. It never contains
	// anything internal.
	Message string
	// Fields are the faults of single fields, in the order of the form.
	Fields []Field
	// Cause is for the log.
	Cause error
}

// Error describes the error for a log: message, fields and cause.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "; %s: %s", f.Name, f.Message)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New returns an error of a kind with a message that is safe to show.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an error of a kind around a cause. The message is shown, the
// cause is logged.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// WithCode sets the translation key and returns the error.
func (e *Error) WithCode(code string) *Error {
	e.Code = code
	return e
}

// KindOf returns the kind of an error: that of the outermost *Error in its
// chain, Canceled for a context that ended, else Internal. The kind of nil is
// empty.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Canceled
	}
	return Internal
}

// Is reports whether err is of the kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Fields collects faults of fields while an input is validated.
type Fields []Field

// Add notes that a field is wrong.
func (f *Fields) Add(name, code, format string, args ...any) {
	*f = append(*f, Field{Name: name, Code: code, Message: fmt.Sprintf(format, args...)})
}

// Err returns nil where nothing was added, else one Invalid error with all
// that was.
func (f Fields) Err(what string) error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Message: what, Fields: f}
}
