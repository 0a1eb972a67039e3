package mongo_test

import (
	"os"
	"testing"

	"github.com/medtour/medtour/store/storetest"
)

func TestConformanceFerretDB(t *testing.T) { storetest.Run(t, storetest.FerretDBPlace) }

func TestConformanceMongoDB(t *testing.T) {
	if os.Getenv(storetest.MongoDBVariable) == "" {
		t.Skip(storetest.MongoDBVariable + " names no server")
	}
	storetest.Run(t, storetest.MongoDBPlace)
	storetest.RunLargePages(t, storetest.MongoDBPlace)
}
