package mongo

import (
	"context"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/medtour/medtour/store"
)

// documents is a collection "c_<name>".
type documents struct {
	engine *Engine
	schema store.Schema
	coll   *driver.Collection
}

// document is the shape in the database.
type document struct {
	ID      string            `bson:"_id"`
	Version int64             `bson:"v"`
	Keys    map[string]string `bson:"k"`
	Body    string            `bson:"body"`
}

func field(index string) string { return "k." + index }

// indexName differs between unique and ordinary indexes, so that a change
// from one to the other makes the index anew.
func indexName(ix store.Index) string {
	if ix.Unique {
		return "u_" + ix.Name
	}
	return "i_" + ix.Name
}

// indexModel declares an index. A unique one is sparse, which leaves out
// documents without the value; FerretDB ignores the word and never counts
// missing values as equal.
func indexModel(ix store.Index) driver.IndexModel {
	opts := options.Index().SetName(indexName(ix))
	if ix.Unique {
		return driver.IndexModel{Keys: bson.D{{Key: field(ix.Name), Value: 1}}, Options: opts.SetUnique(true).SetSparse(true)}
	}
	return driver.IndexModel{Keys: bson.D{{Key: field(ix.Name), Value: 1}, {Key: "_id", Value: 1}}, Options: opts}
}

// migrate brings the indexes to the schema. An index is made after its values
// are filled in, so an index that exists is filled.
func (d *documents) migrate(ctx context.Context) error {
	found, err := d.coll.Indexes().ListSpecifications(ctx)
	if err != nil {
		return err
	}
	wanted := map[string]bool{"_id_": true}
	for _, ix := range d.schema.Indexes {
		wanted[indexName(ix)] = true
	}
	exists := map[string]bool{}
	for _, spec := range found {
		exists[spec.Name] = true
		if !wanted[spec.Name] {
			if err := d.coll.Indexes().DropOne(ctx, spec.Name); err != nil {
				return err
			}
		}
	}
	var missing []store.Index
	for _, ix := range d.schema.Indexes {
		if !exists[indexName(ix)] {
			missing = append(missing, ix)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := d.fill(ctx); err != nil {
		return err
	}
	for _, ix := range missing {
		_, err := d.coll.Indexes().CreateOne(ctx, indexModel(ix))
		if duplicate(err) {
			return store.Taken(d.schema.Name, ix.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fillPage is how many documents fill holds in memory at once.
const fillPage = 50

// fill derives the index values of every document anew. A document that
// another node changes meanwhile has got its values from there.
func (d *documents) fill(ctx context.Context) error {
	for after := (store.Position{}); ; {
		page, err := d.page(ctx, store.Query{Limit: fillPage}, after)
		if err != nil {
			return err
		}
		for _, doc := range page.Documents {
			values, err := d.schema.Values(doc.Body)
			if err != nil {
				return err
			}
			set := bson.D{{Key: "$set", Value: bson.D{{Key: "k", Value: values}}}}
			if _, err := d.coll.UpdateOne(ctx, versioned(doc.ID, doc.Version), set); err != nil {
				return err
			}
			after.ID = doc.ID
		}
		if page.Next == "" {
			return nil
		}
	}
}

func versioned(id string, version int64) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "v", Value: version}}
}

func (d *documents) Get(ctx context.Context, id string) (store.Document, error) {
	if store.CheckID(id) != nil {
		return store.Document{}, store.Missing(d.schema.Name)
	}
	leave, err := d.engine.gate.Enter(ctx)
	if err != nil {
		return store.Document{}, err
	}
	defer leave()
	var doc document
	err = d.coll.FindOne(ctx, byID(id)).Decode(&doc)
	if errors.Is(err, driver.ErrNoDocuments) {
		return store.Document{}, store.Missing(d.schema.Name)
	}
	if err != nil {
		return store.Document{}, translate(ctx, err)
	}
	return doc.stored(), nil
}

func (doc document) stored() store.Document {
	return store.Document{ID: doc.ID, Version: doc.Version, Body: []byte(doc.Body)}
}

func (d *documents) Insert(ctx context.Context, id string, body []byte) error {
	if err := store.CheckID(id); err != nil {
		return err
	}
	values, err := d.schema.Values(body)
	if err != nil {
		return err
	}
	leave, err := d.engine.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	_, err = d.coll.InsertOne(ctx, document{ID: id, Version: 1, Keys: values, Body: string(body)})
	return d.written(ctx, err)
}

// written translates the error of a write.
func (d *documents) written(ctx context.Context, err error) error {
	if !duplicate(err) {
		return translate(ctx, err)
	}
	for _, ix := range d.schema.Indexes {
		if ix.Unique && strings.Contains(err.Error(), indexName(ix)) {
			return store.Taken(d.schema.Name, ix.Name)
		}
	}
	return store.Taken(d.schema.Name, "id")
}

func (d *documents) Replace(ctx context.Context, id string, version int64, body []byte) error {
	values, err := d.schema.Values(body)
	if err != nil {
		return err
	}
	if store.CheckID(id) != nil {
		return store.Missing(d.schema.Name)
	}
	leave, err := d.engine.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	next := document{ID: id, Version: version + 1, Keys: values, Body: string(body)}
	result, err := d.coll.ReplaceOne(ctx, versioned(id, version), next)
	if err != nil {
		return d.written(ctx, err)
	}
	if result.MatchedCount == 0 {
		return d.lost(ctx, id)
	}
	return nil
}

func (d *documents) Delete(ctx context.Context, id string, version int64) error {
	if store.CheckID(id) != nil {
		return store.Missing(d.schema.Name)
	}
	leave, err := d.engine.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	filter := versioned(id, version)
	if version == 0 {
		filter = byID(id)
	}
	result, err := d.coll.DeleteOne(ctx, filter)
	if err != nil {
		return translate(ctx, err)
	}
	if result.DeletedCount == 0 {
		return d.lost(ctx, id)
	}
	return nil
}

// lost says why a write matched no document.
func (d *documents) lost(ctx context.Context, id string) error {
	err := d.coll.FindOne(ctx, byID(id), options.FindOne().SetProjection(byID(1))).Err()
	if errors.Is(err, driver.ErrNoDocuments) {
		return store.Missing(d.schema.Name)
	}
	if err != nil {
		return translate(ctx, err)
	}
	return store.Moved(d.schema.Name)
}

func (d *documents) Find(ctx context.Context, query store.Query) (store.Page, error) {
	query, after, err := d.schema.Resolve(query)
	if err != nil {
		return store.Page{}, err
	}
	leave, err := d.engine.gate.Enter(ctx)
	if err != nil {
		return store.Page{}, err
	}
	defer leave()
	page, err := d.page(ctx, query, after)
	if err != nil {
		return store.Page{}, translate(ctx, err)
	}
	return page, nil
}

// page reads one document more than the page holds, to know whether another
// page follows.
func (d *documents) page(ctx context.Context, query store.Query, after store.Position) (_ store.Page, err error) {
	opts := options.Find().SetSort(d.order(query)).SetLimit(int64(query.Limit) + 1)
	cursor, err := d.coll.Find(ctx, filter(query, after), opts)
	if err != nil {
		return store.Page{}, err
	}
	defer func() { err = errors.Join(err, cursor.Close(ctx)) }()
	var page store.Page
	var last store.Position
	for size := 0; cursor.Next(ctx); {
		if len(page.Documents) == query.Limit || size > store.MaxPageBytes {
			page.Next = query.Cursor(last)
			return page, nil
		}
		var doc document
		if err := cursor.Decode(&doc); err != nil {
			return store.Page{}, err
		}
		last = store.Position{ID: doc.ID, Value: doc.Keys[query.Index]}
		size += len(doc.Body)
		page.Documents = append(page.Documents, doc.stored())
	}
	return page, cursor.Err()
}

// order sorts as the index does, so that the server need not sort itself. A
// unique value orders the documents alone.
func (d *documents) order(query store.Query) bson.D {
	direction := 1
	if query.Descending {
		direction = -1
	}
	byDocument := bson.D{{Key: "_id", Value: direction}}
	if query.Index == "" {
		return byDocument
	}
	byValue := bson.D{{Key: field(query.Index), Value: direction}}
	if d.schema.Unique(query.Index) {
		return byValue
	}
	return append(byValue, byDocument...)
}

// filter returns what a query demands of a document. The cursor tightens the
// bound of the value, where the index starts, and leaves out what is before
// it among the equal ones.
func filter(query store.Query, after store.Position) bson.D {
	greater, atLeast := "$gt", "$gte"
	if query.Descending {
		greater, atLeast = "$lt", "$lte"
	}
	name, position := "_id", after.ID
	if query.Index != "" {
		name, position = field(query.Index), after.Value
	}
	// An empty string is below every value, and a missing one is not above it.
	conditions := bson.A{condition(name, "$gt", "")}
	switch {
	case query.Equal != "":
		conditions = append(conditions, condition(name, "$eq", query.Equal))
	default:
		if query.From != "" {
			conditions = append(conditions, condition(name, "$gte", query.From))
		}
		if query.To != "" {
			conditions = append(conditions, condition(name, "$lt", query.To))
		}
	}
	switch {
	case after.ID == "":
	case query.Index == "":
		conditions = append(conditions, condition(name, greater, position))
	default:
		beyond := bson.A{condition(name, greater, position), condition("_id", greater, after.ID)}
		conditions = append(conditions, condition(name, atLeast, position), bson.D{{Key: "$or", Value: beyond}})
	}
	return bson.D{{Key: "$and", Value: conditions}}
}

func condition(name, operator, value string) bson.D {
	return bson.D{{Key: name, Value: bson.D{{Key: operator, Value: value}}}}
}

func (d *documents) Count(ctx context.Context, query store.Query) (int64, error) {
	query.After = ""
	query, after, err := d.schema.Resolve(query)
	if err != nil {
		return 0, err
	}
	leave, err := d.engine.gate.Enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	n, err := d.coll.CountDocuments(ctx, filter(query, after))
	return n, translate(ctx, err)
}
