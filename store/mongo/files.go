package mongo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/medtour/medtour/fault"
	"github.com/medtour/medtour/store"
)

// files keeps contents in chunks and, once all of them are written, a
// description whose id is the name: that insert claims the name and makes the
// file visible, whole. GridFS would fix the description, and with it the
// checksum, before the content is known.
//
//	files         {_id: <name>, content: <content id>, type, size, sha256, created}
//	file_chunks   {_id: <content id>/<number>, data}
//	file_pending  {_id: <content id>, name, since}
//
// A pending entry exists while chunks may exist without a description: during
// an upload and a removal. What a dead process left is removed from it later.
type files struct {
	engine                 *Engine
	files, chunks, pending *driver.Collection
}

const (
	// chunkSize in bytes; far below the limit of a document.
	chunkSize = 1 << 20
	// maxUpload bounds an upload, so that an entry which is pending much
	// longer, clocks of nodes differing included, is known to be left over.
	maxUpload = 6 * time.Hour
	leftOver  = 24 * time.Hour
)

type fileDocument struct {
	Name        string        `bson:"_id"`
	Content     bson.ObjectID `bson:"content"`
	ContentType string        `bson:"type"`
	Size        int64         `bson:"size"`
	SHA256      string        `bson:"sha256"`
	Created     time.Time     `bson:"created"`
}

type chunkDocument struct {
	ID   string `bson:"_id"`
	Data []byte `bson:"data"`
}

type pendingDocument struct {
	Content bson.ObjectID `bson:"_id"`
	Name    string        `bson:"name"`
	Since   time.Time     `bson:"since"`
}

func newFiles(e *Engine) *files {
	return &files{
		engine:  e,
		files:   e.db.Collection("files"),
		chunks:  e.db.Collection("file_chunks"),
		pending: e.db.Collection("file_pending"),
	}
}

// chunkID sorts by content and number; a file has at most 10^9 chunks.
func chunkID(content bson.ObjectID, number int64) string {
	return fmt.Sprintf("%s/%09d", content.Hex(), number)
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
	err = f.files.FindOne(ctx, byID(name)).Err()
	if err == nil {
		return store.FileInfo{}, store.FileTaken()
	}
	if !errors.Is(err, driver.ErrNoDocuments) {
		return store.FileInfo{}, translate(ctx, err)
	}
	ctx, cancel := context.WithTimeout(ctx, maxUpload)
	defer cancel()
	content := bson.NewObjectID()
	if err := f.mark(ctx, content, name); err != nil {
		return store.FileInfo{}, translate(ctx, err)
	}
	info, err := f.upload(ctx, content, name, contentType, store.NewFileReader(ctx, r, limit))
	if err != nil {
		// Whatever cannot be removed now is removed later. The description may
		// be there although the answer to its insert was lost.
		undo := context.WithoutCancel(ctx)
		_, _ = f.files.DeleteOne(undo, described(name, content))
		_ = f.discard(undo, content, name)
		return store.FileInfo{}, err
	}
	// The file is whole and visible; a pending entry that stays does no harm.
	_, _ = f.pending.DeleteOne(ctx, byID(content))
	return info, nil
}

func (f *files) mark(ctx context.Context, content bson.ObjectID, name string) error {
	_, err := f.pending.InsertOne(ctx, pendingDocument{Content: content, Name: name, Since: time.Now()})
	if driver.IsDuplicateKeyError(err) {
		return nil
	}
	return err
}

// upload writes the chunks and then the description.
func (f *files) upload(ctx context.Context, content bson.ObjectID, name, contentType string, source *store.FileReader) (store.FileInfo, error) {
	chunk := make([]byte, chunkSize)
	for number := int64(0); ; number++ {
		n, err := io.ReadFull(source, chunk)
		if failed := source.Err(); failed != nil {
			return store.FileInfo{}, failed
		}
		if n > 0 {
			if _, err := f.chunks.InsertOne(ctx, chunkDocument{ID: chunkID(content, number), Data: chunk[:n]}); err != nil {
				return store.FileInfo{}, translate(ctx, err)
			}
		}
		if err != nil {
			break // the end: every failure is in source.Err
		}
	}
	info := source.Describe(store.FileInfo{Name: name, ContentType: contentType})
	_, err := f.files.InsertOne(ctx, fileDocument{
		Name: name, Content: content, ContentType: contentType,
		Size: info.Size, SHA256: info.SHA256, Created: info.Created,
	})
	if driver.IsDuplicateKeyError(err) {
		return store.FileInfo{}, store.FileTaken()
	}
	return info, translate(ctx, err)
}

// described selects a file while it still has the content.
func described(name string, content bson.ObjectID) bson.D {
	return bson.D{{Key: "_id", Value: name}, {Key: "content", Value: content}}
}

// discard removes a pending content unless a description refers to it.
func (f *files) discard(ctx context.Context, content bson.ObjectID, name string) error {
	var doc fileDocument
	err := f.files.FindOne(ctx, byID(name)).Decode(&doc)
	if err != nil && !errors.Is(err, driver.ErrNoDocuments) {
		return err
	}
	if err != nil || doc.Content != content {
		if err := f.removeChunks(ctx, content); err != nil {
			return err
		}
	}
	_, err = f.pending.DeleteOne(ctx, byID(content))
	return err
}

func (f *files) removeChunks(ctx context.Context, content bson.ObjectID) error {
	// The character after the separator ends the range of the content's ids.
	between := bson.D{{Key: "$gte", Value: content.Hex() + "/"}, {Key: "$lt", Value: content.Hex() + "0"}}
	_, err := f.chunks.DeleteMany(ctx, byID(between))
	return err
}

// cleanUp removes what processes that died left pending.
func (f *files) cleanUp(ctx context.Context, now time.Time) error {
	old := bson.D{{Key: "since", Value: bson.D{{Key: "$lt", Value: now.Add(-leftOver)}}}}
	cursor, err := f.pending.Find(ctx, old)
	if err != nil {
		return err
	}
	var left []pendingDocument
	if err := cursor.All(ctx, &left); err != nil {
		return err
	}
	for _, p := range left {
		if err := f.discard(ctx, p.Content, p.Name); err != nil {
			return err
		}
	}
	return nil
}

func (f *files) describe(ctx context.Context, name string) (fileDocument, error) {
	missing := fault.New(fault.NotFound, "There is no such file.")
	if store.CheckFile(name, "") != nil {
		return fileDocument{}, missing
	}
	var doc fileDocument
	err := f.files.FindOne(ctx, byID(name)).Decode(&doc)
	if errors.Is(err, driver.ErrNoDocuments) {
		return fileDocument{}, missing
	}
	return doc, translate(ctx, err)
}

func (doc fileDocument) info() store.FileInfo {
	return store.FileInfo{Name: doc.Name, ContentType: doc.ContentType, Size: doc.Size, SHA256: doc.SHA256, Created: doc.Created.UTC()}
}

// Open describes a file and returns its content, which is read with the
// context given here, chunk by chunk.
func (f *files) Open(ctx context.Context, name string) (io.ReadCloser, store.FileInfo, error) {
	leave, err := f.engine.gate.Enter(ctx)
	if err != nil {
		return nil, store.FileInfo{}, err
	}
	defer leave()
	doc, err := f.describe(ctx, name)
	if err != nil {
		return nil, store.FileInfo{}, err
	}
	return &content{ctx: ctx, files: f, doc: doc}, doc.info(), nil
}

func (f *files) Stat(ctx context.Context, name string) (store.FileInfo, error) {
	leave, err := f.engine.gate.Enter(ctx)
	if err != nil {
		return store.FileInfo{}, err
	}
	defer leave()
	doc, err := f.describe(ctx, name)
	if err != nil {
		return store.FileInfo{}, err
	}
	return doc.info(), nil
}

func (f *files) Delete(ctx context.Context, name string) error {
	leave, err := f.engine.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	doc, err := f.describe(ctx, name)
	if err != nil {
		return err
	}
	if err := f.mark(ctx, doc.Content, name); err != nil {
		return translate(ctx, err)
	}
	result, err := f.files.DeleteOne(ctx, described(name, doc.Content))
	if err != nil {
		return translate(ctx, err)
	}
	// The file is gone from here on. Chunks that cannot be removed now are
	// removed later.
	_ = f.discard(context.WithoutCancel(ctx), doc.Content, name)
	if result.DeletedCount == 0 {
		return fault.New(fault.NotFound, "There is no such file.")
	}
	return nil
}

// content reads the chunks of a file one after another.
type content struct {
	ctx   context.Context
	files *files
	doc   fileDocument
	// chunk is what is left of the current one, next the number of the one
	// after it, and read the bytes of all before it.
	chunk bytes.Reader
	next  int64
	read  int64
}

func (c *content) Read(p []byte) (int, error) {
	for c.chunk.Len() == 0 {
		if c.read == c.doc.Size {
			return 0, io.EOF
		}
		if err := c.load(); err != nil {
			return 0, err
		}
	}
	return c.chunk.Read(p)
}

func (c *content) load() error {
	leave, err := c.files.engine.gate.Enter(c.ctx)
	if err != nil {
		return err
	}
	defer leave()
	var doc chunkDocument
	err = c.files.chunks.FindOne(c.ctx, byID(chunkID(c.doc.Content, c.next))).Decode(&doc)
	if errors.Is(err, driver.ErrNoDocuments) || err == nil && len(doc.Data) == 0 {
		return fault.New(fault.NotFound, "The file was deleted while it was read.")
	}
	if err != nil {
		return translate(c.ctx, err)
	}
	c.chunk.Reset(doc.Data)
	c.next++
	c.read += int64(len(doc.Data))
	return nil
}

// Close ends the reading.
func (c *content) Close() error {
	c.doc.Size = c.read
	c.chunk.Reset(nil)
	return nil
}
