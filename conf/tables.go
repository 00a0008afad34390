package conf

import (
	"runtime"
	"slices"
	"sync"
)

// entry is one table of a list, or a table that stands alone.
type entry struct {
	file  *file
	index int
	keys  map[string]any
}

// single reads the one table of this name. When there is none, read gets an empty table and returns the defaults.
func single[T any](l *loader, name string, read func(*table) T) T {
	tables := l.entries(name, false)
	if len(tables) == 0 {
		return read(&table{place: place{table: name, index: -1}, out: &report{}})
	}
	for _, more := range tables[1:] {
		l.twice(more.place(name), tables[0].place(name), "given a second time; want it once")
	}
	var v T
	for i, e := range tables { // the others are read too, so that their problems are reported
		t := table{place: e.place(name), keys: e.keys, out: &l.report}
		if again := read(&t); i == 0 {
			v = again
		}
		t.rest()
	}
	return v
}

// list reads every table of this name and returns the items with their places. More than 5000 tables are read in parallel:
// DESIGN section 7 wants 100 000 users loaded in under 1 s.
func list[T any](l *loader, name string, read func(*table) T) ([]T, []place) {
	entries := l.entries(name, true)
	workers := 1
	if len(entries) > 5000 {
		workers = runtime.GOMAXPROCS(0)
	}
	var (
		wg      sync.WaitGroup
		items   = make([]T, len(entries))
		at      = make([]place, len(entries))
		reports = make([]report, workers)
	)
	for w := range workers {
		wg.Go(func() {
			var t table
			for i := len(entries) * w / workers; i < len(entries)*(w+1)/workers; i++ {
				at[i] = entries[i].place(name)
				t = table{place: at[i], keys: entries[i].keys, seen: t.seen[:0], out: &reports[w]}
				items[i] = read(&t)
				t.rest()
			}
		})
	}
	wg.Wait()
	for _, r := range reports {
		l.problems = append(l.problems, r.problems...)
		l.warnings = append(l.warnings, r.warnings...)
		l.opened = append(l.opened, r.opened...)
	}
	return items, at
}

func (e entry) place(name string) place { return place{file: e.file, table: name, index: e.index} }

// entries collects the tables of this name from all files, in order.
func (l *loader) entries(name string, list bool) []entry {
	var all []entry
	for _, f := range l.files {
		raw, ok := f.tree[name]
		if !ok {
			continue
		}
		tables, ok := asTables(raw)
		one, isTable := raw.(map[string]any)
		at := place{file: f, table: name, index: -1}
		switch {
		case list && ok:
			for i, keys := range tables {
				all = append(all, entry{f, i, keys})
			}
		case !list && isTable:
			all = append(all, entry{f, -1, one})
		case list:
			l.bad(at, "%s; want [[%s]]", typeName(raw), name)
		default:
			l.bad(at, "%s; want [%s]", typeName(raw), name)
		}
	}
	return all
}

// asTables accepts both forms of a list of tables: [[name]], and name = [{...}, {...}].
func asTables(v any) ([]map[string]any, bool) {
	if tables, ok := v.([]map[string]any); ok {
		return tables, true
	}
	list, ok := v.([]any)
	tables := make([]map[string]any, 0, len(list))
	for _, item := range list {
		t, isTable := item.(map[string]any)
		ok = ok && isTable
		tables = append(tables, t)
	}
	return tables, ok
}

// has reports whether one of the files has a table of this name.
func (l *loader) has(name string) bool {
	return slices.ContainsFunc(l.files, func(f *file) bool { _, ok := f.tree[name]; return ok })
}

// top returns the top of a file as a table. "include" is the only key that may stand there.
func (l *loader) top(f *file) *table {
	return &table{place: place{file: f, index: -1}, keys: f.tree, out: &l.report}
}
