package sqlite_test

import (
	"testing"

	"github.com/medtour/medtour/store/storetest"
)

func TestConformance(t *testing.T) { storetest.Run(t, storetest.SQLite) }

func TestLargePages(t *testing.T) { storetest.RunLargePages(t, storetest.SQLite) }
