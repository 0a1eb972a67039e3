package sqlite

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// files keeps each file under the hash of its name, which is safe on every
// file system and short whatever the name:
//
//	files/new/<random>             under way; removed when the folder is opened
//	files/<2 hex>/<62 hex digits>  whole
//
// A file on the disk is the content, then its description in JSON, then the
// trailer. Content and description thus appear together, with one rename.
type files struct {
	engine *Engine
	dir    string
	// publishing makes the check for a taken name and the rename one step.
	// One process has the folder, so a mutex is enough.
	publishing sync.Mutex
}

const (
	newFolder = "new"
	// trailerMark ends every file, after the length of the description in
	// eight bytes.
	trailerMark   = "MEDTOUR1"
	trailerLength = 8 + len(trailerMark)
	// maxDescription bounds what is read as a description.
	maxDescription = 64 << 10
)

// description is what is kept with a file.
type description struct {
	Name        string    `json:"name"`
	ContentType string    `json:"content_type"`
	Size        int64     `json:"size"`
	SHA256      string    `json:"sha256"`
	Created     time.Time `json:"created"`
}

// openFiles prepares the folder and removes what a crash left half written.
func openFiles(e *Engine, dir string) (*files, error) {
	f := &files{engine: e, dir: dir}
	if err := os.RemoveAll(filepath.Join(dir, newFolder)); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, newFolder), 0o700); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *files) path(name string) string {
	sum := sha256.Sum256([]byte(name))
	digits := hex.EncodeToString(sum[:])
	return filepath.Join(f.dir, digits[:2], digits[2:])
}

func (f *files) Create(ctx context.Context, name, contentType string, r io.Reader, limit int64) (store.FileInfo, error) {
	if err := store.CheckFile(name, contentType); err != nil {
		return store.FileInfo{}, err
	}
	leave, err := f.engine.gate.Enter(ctx)
	if err != nil {
		return store.FileInfo{}, err
	}
	defer leave()
	if err := f.engine.refuseWrites(); err != nil {
		return store.FileInfo{}, err
	}
	if _, err := os.Stat(f.path(name)); err == nil {
		return store.FileInfo{}, store.FileTaken()
	}
	temporary := filepath.Join(f.dir, newFolder, rand.Text())
	// After the file is published nothing is left under this name.
	defer func() { _ = os.Remove(temporary) }()
	info, err := write(temporary, store.FileInfo{Name: name, ContentType: contentType}, store.NewFileReader(ctx, r, limit))
	if err != nil {
		return store.FileInfo{}, err
	}
	if err := f.publish(temporary, name); err != nil {
		return store.FileInfo{}, err
	}
	return info, nil
}

// write brings a new file to the disk, content and description.
func write(path string, info store.FileInfo, source *store.FileReader) (store.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return store.FileInfo{}, fileFault(err)
	}
	defer file.Close()
	if _, err := io.Copy(file, source); err != nil {
		if failed := source.Err(); failed != nil {
			return store.FileInfo{}, failed
		}
		return store.FileInfo{}, fileFault(err)
	}
	info = source.Describe(info)
	text, err := json.Marshal(description(info))
	if err != nil {
		return store.FileInfo{}, fileFault(err)
	}
	tail := binary.BigEndian.AppendUint64(text, uint64(len(text)))
	if _, err := file.Write(append(tail, trailerMark...)); err != nil {
		return store.FileInfo{}, fileFault(err)
	}
	if err := file.Sync(); err != nil {
		return store.FileInfo{}, fileFault(err)
	}
	return info, fileFault(file.Close())
}

// publish gives a written file its name, unless that is taken.
func (f *files) publish(temporary, name string) error {
	path := f.path(name)
	folder := filepath.Dir(path)
	f.publishing.Lock()
	defer f.publishing.Unlock()
	if _, err := os.Stat(path); err == nil {
		return store.FileTaken()
	}
	if err := os.Mkdir(folder, 0o700); err == nil {
		if err := syncFolder(f.dir); err != nil {
			return fileFault(err)
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return fileFault(err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fileFault(err)
	}
	if err := syncFolder(folder); err != nil {
		// The name may be lost with the power, so it must not stay either.
		return fileFault(errors.Join(err, os.Remove(path)))
	}
	return nil
}

// syncFolder brings the names in a folder to the disk. Windows has no such
// call and needs none.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

func (f *files) Open(ctx context.Context, name string) (io.ReadCloser, store.FileInfo, error) {
	leave, err := f.engine.gate.Enter(ctx)
	if err != nil {
		return nil, store.FileInfo{}, err
	}
	defer leave()
	file, err := os.Open(f.path(name))
	if err != nil {
		return nil, store.FileInfo{}, fileFault(err)
	}
	info, err := readDescription(file)
	if err != nil {
		file.Close()
		return nil, store.FileInfo{}, fault.Wrap(fault.Internal, err, "The file is damaged: restore it from a backup.")
	}
	return &content{Reader: io.LimitReader(file, info.Size), Closer: file}, info, nil
}

// content is an open file without its description.
type content struct {
	io.Reader
	io.Closer
}

// readDescription reads a file's end and leaves it at its beginning.
func readDescription(file *os.File) (store.FileInfo, error) {
	stat, err := file.Stat()
	if err != nil {
		return store.FileInfo{}, err
	}
	trailer := make([]byte, trailerLength)
	end := stat.Size() - int64(trailerLength)
	if _, err := file.ReadAt(trailer, end); err != nil {
		return store.FileInfo{}, err
	}
	length := int64(binary.BigEndian.Uint64(trailer))
	if string(trailer[8:]) != trailerMark || length < 0 || length > maxDescription || length > end {
		return store.FileInfo{}, errors.New("sqlite: the trailer of the file is not whole")
	}
	text := make([]byte, length)
	if _, err := file.ReadAt(text, end-length); err != nil {
		return store.FileInfo{}, err
	}
	var d description
	if err := json.Unmarshal(text, &d); err != nil {
		return store.FileInfo{}, err
	}
	if d.Size != end-length {
		return store.FileInfo{}, fmt.Errorf("sqlite: the file has %d bytes instead of %d", end-length, d.Size)
	}
	return store.FileInfo(d), nil
}

func (f *files) Stat(ctx context.Context, name string) (store.FileInfo, error) {
	file, info, err := f.Open(ctx, name)
	if err != nil {
		return store.FileInfo{}, err
	}
	return info, file.Close()
}

func (f *files) Delete(ctx context.Context, name string) error {
	leave, err := f.engine.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := f.engine.refuseWrites(); err != nil {
		return err
	}
	path := f.path(name)
	if err := os.Remove(path); err != nil {
		return fileFault(err)
	}
	return fileFault(syncFolder(filepath.Dir(path)))
}

// fileFault turns an error of the file system into a fault.
func fileFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, err, "There is no such file.")
	}
	return fault.Wrap(fault.Unavailable, err, "The file cannot be read or written just now: the disk may be full.")
}
