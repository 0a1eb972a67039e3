package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"time"

	"github.com/medtour/medtour/fault"
)

// FileTaken is the error of creating a file under a name that is taken.
func FileTaken() error {
	return fault.New(fault.Conflict, "There is a file with this name already.")
}

// FileReader reads the content of a new file for an engine: it enforces the
// limit, stops when the context ends, and measures what passes.
type FileReader struct {
	ctx   context.Context
	from  io.Reader
	limit int64
	size  int64
	sum   hash.Hash
	err   error
}

// NewFileReader returns a reader of r for Files.Create.
func NewFileReader(ctx context.Context, r io.Reader, limit int64) *FileReader {
	return &FileReader{ctx: ctx, from: r, limit: limit, sum: sha256.New()}
}

// Read reads on. Errors: TooLarge beyond the limit, Canceled, and the
// reader's own.
func (f *FileReader) Read(p []byte) (int, error) {
	if f.err == nil && f.ctx.Err() != nil {
		f.err = GivenUp(f.ctx.Err())
	}
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.from.Read(p)
	f.size += int64(n)
	f.sum.Write(p[:n])
	switch {
	case f.limit > 0 && f.size > f.limit:
		f.err = fault.New(fault.TooLarge, "The file is larger than %d bytes.", f.limit)
		return 0, f.err
	case err != nil && err != io.EOF:
		f.err = err
	}
	return n, err
}

// Err returns why the content could not be read to its end, nil where it
// could: a failure that is not the engine's.
func (f *FileReader) Err() error { return f.err }

// Describe fills in size, sum and time of what was read. Times are kept to the
// millisecond, which every engine stores.
func (f *FileReader) Describe(info FileInfo) FileInfo {
	info.Size = f.size
	info.SHA256 = hex.EncodeToString(f.sum.Sum(nil))
	info.Created = time.Now().UTC().Truncate(time.Millisecond)
	return info
}
