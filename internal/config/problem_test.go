package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// mistakes are files with one problem each, on the line that ends with #!, or on none.
func mistakes() map[string]struct{ text, want string } {
	return map[string]struct{ text, want string }{
		// Syntax
		"not closed":       {token + folderA + "caption = \"abc #!\n", "a text does not end on its line: close its quotes"},
		"no quotes":        {token + folderA + "album = window #!\n", "a text needs quotes"},
		"no value":         {token + folderA + "album = #!\n", "what follows the = is no value"},
		"no equals":        {token + folderA + "album \"window\" #!\n", "an = is missing here"},
		"two on a line":    {token + folderA + "album = \"off\" rescan = \"1m\" #!\n", "a value is followed by something else"},
		"bad escape":       {token + folderA + "caption = \"C:\\Scans\" #!\n", "write two, or use '...'"},
		"key twice":        {token + folderA + "album = \"off\"\nalbum = \"off\" #!\n", "folder.album is here a second time"},
		"section twice":    {token + folderA + "[kaizala] #!\n", "kaizala is here a second time"},
		"bad date":         {token + folderA + "settle = 2020-99-99 #!\n", "this is no value"},
		"control":          {token + folderA + "caption = \"\x01\" #!\n", "a control character is here"},
		"list not closed":  {token + folderA + "ignore = [\"a\" \"b\"] #!\n", "misses a comma"},
		"not UTF-8":        {token + folderA + "# caf\xe9 #!\n", "not UTF-8"},
		"too large":        {token + folderA + strings.Repeat("# padding\n", 110_000), "larger than 1024 KiB"},
		"nested too deep":  {token + folderA + "ignore = " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "5000 deep"},
		"bracket heading":  {token + folderA + "[] #!\n", "a section is written [NAME]"},
		"UTF-16":           {"a\x00b\x00 #!", "save it as UTF-8"},
		"open at the end":  {token + folderA + "caption = '''abc #!", "not closed"},
		"backslash at end": {token + folderA + "caption = \"\\ #!", "a text is not closed"},

		// Unknown keys and tables
		"misspelled":        {token + folderA + "recrusive = true #!\n", `key "recrusive" is unknown here: did you mean recursive?`},
		"camel case":        {"logLevel = 'info' #!\n" + token + folderA, "did you mean log_level?"},
		"elsewhere below":   {"settle = '5s' #!\n" + token + folderA, "it belongs to [[folder]] or [defaults]"},
		"elsewhere above":   {token + "log_level = 'info' #!\n" + folderA, "it belongs to the top of the file, above every [section]"},
		"misspelled, moved": {token + "loglevel = 'info' #!\n" + folderA, "did you mean log_level? That belongs to the top of the file"},
		"nothing like it":   {token + "colour = 'red' #!\n" + folderA, "remove it; known here are endpoint, application_id,"},
		"path in defaults":  {token + "[defaults]\npath = '/srv' #!\n" + folderA, "it belongs to [[folder]]"},
		"group in defaults": {token + "[defaults]\ngroup_id = 'g' #!\n" + folderA, "it belongs to [[folder]]"},
		"unknown table":     {token + folderA + "[colours] #!\nred = 1\n", `table "colours" is unknown here: remove it; there are [kaizala]`},
		"misspelled table":  {token + folderA + "[default] #!\nsettle = '5s'\n", "did you mean [defaults]?"},
		"plural folder":     {token + folderA + "[[folders]] #!\npath = '/srv'\n", "did you mean [[folder]]?"},
		"matrix":            {token + folderA + "[matrix] #!\nhomeserver = \"example.org\"\n", `write [destination.NAME] in its place, with type = "matrix"`},
		"a name alone":      {token + folderA + "[chat] #!\ntype = \"matrix\"\n", `write [destination.NAME] in its place`},
		"inner table":       {token + folderA + "[kaizala.proxy] #!\n", `table "proxy" is unknown here`},
		"dotted":            {"kaizala.access_token = 'env:TOKEN'\nkaizala.acces_token = 'x' #!\n" + folderA, "did you mean access_token?"},
		"long key":          {strings.Repeat("x", 500) + " = 1 #!\n" + token + folderA, "xxx...\" is unknown here"},
		"hidden characters": {"\"log\\u202elevel\" = 1 #!\n" + token + folderA, `"log\u202elevel" is unknown here`},
		"second folder":     {token + folderA + folderB + "recrusive = true #!\n", "did you mean recursive?"},

		// Destinations
		"no such destination":   {token + folderA + "destination = 'office' #!\n", `destination "office" is not there: there is kaizala`},
		"which destination":     {office + branch + strings.TrimSuffix(folderA, "\n") + " #!\n", `say to which one with destination = "branch" or destination = "office"`},
		"destination untyped":   {token + "[destination.office] #!\naccess_token = 'env:TOKEN'\n" + folderA, `this [destination.office] has no type`},
		"destination's type":    {token + "[destination.office]\ntype = 'matrux' #!\n" + folderA, `type must be one of "kaizala"`},
		"none of its own":       {token + "[destination.office] #!\ntype = 'kaizala'\n" + folderA, "application_secret in [destination.office], with refresh_token or a login"},
		"half of them":          {token + "[destination.office] #!\ntype = 'kaizala'\napplication_id = 'x'\n" + folderA, "missing in [destination.office], which"},
		"destination's name":    {token + "[destination.'a/b'] #!\ntype = 'kaizala'\naccess_token = 'env:TOKEN'\n" + folderA, `"a/b" cannot be the name`},
		"named kaizala":         {token + "[destination.kaizala] #!\ntype = 'kaizala'\naccess_token = 'env:TOKEN'\n" + folderA, "take another name"},
		"key of a destination":  {office + "stall_timout = '1m' #!\n" + folderA, "did you mean stall_timeout?"},
		"destinations, doubled": {token + "[[destination]] #!\ntype = 'kaizala'\n" + folderA, "must be written [destination.NAME]"},
		"a destination, flat":   {"destination = 'kaizala' #!\n" + token + folderA, "must be written [destination.NAME]"},
		"a destination, half":   {token + "[destination]\noffice = 'kaizala' #!\n" + folderA, "must be written [destination.NAME]"},
		"misspelled, below":     {token + "[destinations.office] #!\ntype = 'kaizala'\n" + folderA, "did you mean [destination.NAME]?"},

		// Types
		"text for number":   {token + "max_uploads = '4' #!\n" + folderA, `max_uploads must be a whole number, without quotes, not the text "4"`},
		"float for number":  {token + "max_uploads = 4.5 #!\n" + folderA, "not the number 4.5"},
		"number for text":   {token + folderA + "album = 3 #!\n", "album must be a text in quotes, not the number 3"},
		"number for time":   {token + folderA + "settle = 5 #!\n", `settle must be a duration in quotes, such as "5s", not the number 5`},
		"text for bool":     {token + folderA + "recursive = 'yes' #!\n", "recursive must be true or false, without quotes"},
		"bool for text":     {token + folderA + "caption = true #!\n", "not true"},
		"date for text":     {token + folderA + "done = 2020-02-02 #!\n", "not a date or time"},
		"table for text":    {token + folderA + "[folder.done] #!\n", "not a table"},
		"text for list":     {token + folderA + "ignore = '*.bak' #!\n", `ignore must be a list of patterns, such as ["*.bak", "~*"]`},
		"number in list":    {token + folderA + "ignore = [\n  '*.bak',\n  3, #!\n]\n", "not the number 3"},
		"list for path":     {"state_dir = [] #!\n" + token + folderA, "not a list"},
		"number for url":    {token + "endpoint = 1 #!\n" + folderA, "must be an address in quotes"},
		"number for secret": {"[kaizala]\naccess_token = 123456 #!\n" + folderA, "access_token must be a text in quotes (access_token is a fixed"},
		"kaizala no table":  {"kaizala = 3 #!\n" + folderA, "kaizala must be one table: write [kaizala]"},
		"kaizala an array":  {"[[kaizala]] #!\n" + folderA, "kaizala must be one table"},
		"defaults no table": {"defaults = 'x' #!\n" + token + folderA, "defaults must be one table"},
		"folder a table":    {token + "[folder] #!\npath = '/srv'\n", "folder must be written [[folder]]"},
		"folder a text":     {"folder = '/srv' #!\n" + token, "folder must be written [[folder]]"},

		// Durations, numbers, choices
		"no unit":           {token + folderA + "settle = '5' #!\n", `must be a number with its unit, such as "500ms"`},
		"space in time":     {token + folderA + "settle = '5 s' #!\n", `not "5 s"`},
		"settle zero":       {token + folderA + "settle = '0s' #!\n", "settle must be more than zero"},
		"settle negative":   {token + folderA + "settle = '-5s' #!\n", "settle must not be negative"},
		"rescan too often":  {token + folderA + "rescan = '999ms' #!\n", "rescan must be at least 1s"},
		"grace negative":    {"shutdown_grace = '-1s' #!\n" + token + folderA, "must not be negative"},
		"history overflows": {"keep_history = '999999999d' #!\n" + token + folderA, "must be a number with its unit"},
		"uploads none":      {token + "max_uploads = 0 #!\n" + folderA, "must be from 1 to 64, not 0"},
		"uploads many":      {token + "max_uploads = 65 #!\n" + folderA, "must be from 1 to 64, not 65"},
		"calls negative":    {token + "calls_per_minute = -1 #!\n" + folderA, "must be 0 or more, not -1"},
		"calls absurd":      {token + "calls_per_minute = 9223372036854775807 #!\n" + folderA, "must be from 0 to 2147483647"},
		"attempts none":     {token + "max_attempts = 0 #!\n" + folderA, "must be 1 or more, not 0"},
		"album none":        {token + folderA + "album_max = 0 #!\n", "must be from 1 to 100"},
		"album huge":        {token + folderA + "album_max = 101 #!\n", "must be from 1 to 100"},
		"level":             {"log_level = 'verbose' #!\n" + token + folderA, `must be one of "debug", "info", "warn", "error", not "verbose"`},
		"format":            {"log_format = 'xml' #!\n" + token + folderA, `must be one of "auto", "console", "json"`},
		"album":             {token + folderA + "album = 'on' #!\n", `must be one of "off", "window", "subfolder"`},
		"unknown outcome":   {token + folderA + "when_unknown = 'drop' #!\n", `must be one of "repost", "hold"`},
		"state_dir bare":    {"state_dir = 'state' #!\n" + token + folderA, `must be an absolute path, from / on, not "state"`},
		"state_dir empty":   {"state_dir = '' #!\n" + token + folderA, "must not be empty"},
		"bad default":       {token + "[defaults]\nsettle = 'x' #!\n" + folderA + folderB, "must be a number with its unit"},

		// Patterns and captions
		"pattern":          {token + folderA + "ignore = ['*.bak', 'a['] #!\n", `holds "a[", which is not a pattern`},
		"pattern, path":    {token + folderA + "ignore = ['$DIR/a/private'] #!\n", "stands for the watched folder itself"},
		"pattern, dots":    {token + folderA + "ignore = ['./private'] #!\n", "leave out ./"},
		"pattern, line":    {token + folderA + "ignore = [\n'*.bak', # [[folder]]\n'[]', #!\n]\n", `holds "[]"`},
		"only, folders":    {token + folderA + "only = ['*.pdf', 'scans/'] #!\n", `"scans/**" is all that lies in such a one`},
		"only, nothing":    {token + folderA + "only = ['!*.pdf'] #!\n", "only takes nothing"},
		"only, path":       {token + folderA + "only = ['$DIR/a/*.pdf'] #!\n", "stands for the watched folder itself"},
		"only, text":       {token + folderA + "only = '*.pdf' #!\n", "only must be a list of patterns"},
		"pattern, empty":   {token + folderA + "ignore = [''] #!\n", "which is not a pattern"},
		"template":         {token + folderA + "caption = '{{.Name' #!\n", "is not a usable template (1: unclosed action)"},
		"template field":   {token + folderA + "caption = 'a {{.Size}}' #!\n", "there is no .Size): it may hold {{.Name}}"},
		"template func":    {token + folderA + "caption = '{{env}}' #!\n", `function "env" not defined`},
		"template of time": {token + folderA + "caption = '{{.Time.Unix}}' #!\n", "there is no .Time.Unix"},

		// Folders
		"no folder":          {token, "no folder is watched: add a [[folder]]"},
		"no folder inline":   {"folder = []\n" + token, "no folder is watched"},
		"no path":            {token + "[[folder]] #!\ngroup_id = 'g'\n", "this [[folder]] has no path: add it"},
		"no group":           {token + "[[folder]] #!\npath = '$DIR/a'\n", "this [[folder]] has no group_id: add it"},
		"group empty":        {token + "[[folder]]\npath = '$DIR/a'\ngroup_id = '' #!\n", "group_id must not be empty"},
		"group padded":       {token + "[[folder]]\npath = '$DIR/a'\ngroup_id = ' g' #!\n", "group_id begins or ends with white space"},
		"group control":      {token + "[[folder]]\npath = '$DIR/a'\ngroup_id = \"a\\tb\" #!\n", "group_id holds a control character"},
		"path empty":         {token + "[[folder]]\ngroup_id = 'g'\npath = '' #!\n", "path must not be empty"},
		"path relative":      {token + "[[folder]]\ngroup_id = 'g'\npath = 'a' #!\n", "path must be an absolute path"},
		"path NUL":           {token + "[[folder]]\ngroup_id = 'g'\npath = \"$DIR/a\\u0000b\" #!\n", "path must not hold a NUL"},
		"done NUL":           {token + folderA + "done = \"a\\u0000b\" #!\n", "done must not hold a NUL"},
		"done empty":         {token + folderA + "done = '' #!\n", "done must not be empty"},
		"done is failed":     {token + folderA + "done = 'x'\nfailed = '../a/x/' #!\n", "failed is the same directory as done"},
		"done is failed too": {token + folderA + "done = 'sub'\nfailed = '$DIR/nowhere/../a/sub' #!\n", "failed is the same directory as done"},
		"done is folder":     {token + folderA + "done = '.' #!\n", "done is the watched folder"},
		"failed is folder":   {token + folderA + "failed = '$DIR//a/.' #!\n", "failed is the watched folder"},
		"done above":         {token + folderA + "done = '..' #!\n", "contains the watched folder"},
		"same path":          {token + folderA + "[[folder]]\ngroup_id='h'\npath = '$DIR/b/../a' #!\n", "is the same directory as"},
		"same, not there":    {token + "[[folder]]\ngroup_id='g'\npath = '/no/such/share'\n[[folder]]\ngroup_id='h'\npath = '/no/such/share/' #!\n", "(line 5): give each folder its own"},
		"inside done":        {token + folderA + "[[folder]]\ngroup_id='h'\npath = '$DIR/a/done/old' #!\n", "lies inside done of the folder"},
		"inside recursive":   {token + folderA + "recursive = true\n[[folder]]\ngroup_id='h'\npath = '$DIR/a/sub/deep' #!\n", "or change recursive or album there"},
		"inside, not there":  {token + "[[folder]]\ngroup_id='g'\npath = '/no/such'\nrecursive = true\n[[folder]]\ngroup_id='h'\npath = '/no/such/share' #!\n", "lies inside"},
		"around, later": {token + "[[folder]]\ngroup_id='h'\npath = '$DIR/a/sub' #!\n" + folderA + "recursive = true\n",
			"which takes files of directories inside it"},
		"inside album":          {token + folderA + "album = 'subfolder'\n[[folder]]\ngroup_id='h'\npath = '$DIR/a/sub' #!\n", "lies inside"},
		"done is other":         {token + folderA + "done = '$DIR/b' #!\n" + folderB, "is the watched folder"},
		"done is earlier":       {token + folderB + folderA + "done = '$DIR/b' #!\n", "is the watched folder"},
		"done holds other":      {token + folderA + "done = '$DIR/c' #!\n[[folder]]\ngroup_id='h'\npath = '$DIR/c'\n", "is the watched folder"},
		"done in recursive":     {token + folderA + "recursive = true\n" + folderB + "done = '$DIR/a/from-b' #!\n", "would post them again"},
		"default done shared":   {token + "[defaults]\ndone = '$DIR/b' #!\n" + folderA + "[[folder]]\npath='$DIR/b'\ngroup_id='h'\ndone='x'\n", "is the watched folder"},
		"state is folder":       {"state_dir = '$DIR/a' #!\n" + token + folderA, "state_dir"},
		"state in recursive":    {"state_dir = '$DIR/a/state' #!\n" + token + folderA + "recursive = true\n", "lies in the watched folder"},
		"state in one not deep": {"state_dir = '$DIR/a/state' #!\n" + token + folderA, "lies in the watched folder"},
		"state in done":         {"state_dir = '$DIR/a/done/state' #!\n" + token + folderA + "recursive = true\n", "lies in the watched folder"},
		"in state":              {"state_dir = '$DIR'\n" + token + "[[folder]]\ngroup_id = 'g'\npath = '$DIR/a' #!\n", "is the daemon's alone"},
		"holds a secret": {"[kaizala]\nendpoint = 'http://127.0.0.1'\napplication_id = 'x'\napplication_secret = 'file:$DIR/file'\nrefresh_token = 'env:TOKEN'\n" +
			"[[folder]]\ngroup_id = 'g'\npath = '$DIR' #!\n", "which the daemon reads its settings or a secret from"},
		"second folder's line": {token + folderA + folderB + "settle = '' #!\n", "must be a number with its unit"},

		// Credentials
		"no kaizala":     {folderA, "credentials are missing: give application_id and application_secret in [kaizala], with refresh_token or a login"},
		"no credentials": {"[kaizala] #!\n" + folderA, "credentials are missing"},
		"some missing":   {"[kaizala] #!\napplication_id = 'id'\n" + folderA, "application_secret missing in [kaizala], which must be given together with application_id"},
		"token alone":    {"[kaizala] #!\nrefresh_token = 'x'\n" + folderA, "application_id and application_secret missing in [kaizala]"},
		"token nowhere":  {"[kaizala]\napplication_id = 'id'\napplication_secret = 'x'\nrefresh_token = 'file:$DIR/nope' #!\n" + folderA, "Or leave refresh_token out and run kaizala-drop login"},
		"token and others": {"[kaizala]\napplication_id = 'id'\naccess_token = 'env:TOKEN' #!\n" + folderA,
			"access_token stands instead of application_id"},
		"env unset":          {"[kaizala]\naccess_token = 'env:NOPE' #!\n" + folderA, `refers to the environment variable "NOPE", which is not set or empty: set it for the daemon`},
		"env unnamed":        {"[kaizala]\naccess_token = 'env:' #!\n" + folderA, "names nothing to look up behind env:"},
		"file missing":       {"[kaizala]\naccess_token = 'file:$DIR/nope' #!\n" + folderA, "/nope\", which is not there: write the secret into it, or correct the path"},
		"file empty":         {"[kaizala]\naccess_token = 'file:$DIR/secrets/empty' #!\n" + folderA, "it is empty: write the secret into it"},
		"file large":         {"[kaizala]\naccess_token = 'file:$DIR/secrets/large' #!\n" + folderA, "larger than 64 KiB: name a file with nothing in it but the secret"},
		"file a directory":   {"[kaizala]\naccess_token = 'file:$DIR/secrets' #!\n" + folderA, "it is not a regular file: name one with nothing in it but the secret"},
		"file below a file":  {"[kaizala]\naccess_token = 'file:$DIR/file/x' #!\n" + folderA, "cannot be used: not a directory: correct the path"},
		"file relative":      {"[kaizala]\naccess_token = 'file:secrets/good' #!\n" + folderA, "must name an absolute path behind file:"},
		"file of two lines":  {"[kaizala]\naccess_token = 'file:$DIR/secrets/two-lines' #!\n" + folderA, "access_token holds a control character"},
		"credential nowhere": {"[kaizala]\naccess_token = 'credential:good' #!\n" + folderA, "$CREDENTIALS_DIRECTORY is not set: run as a systemd service"},
		"credential slash":   {"[kaizala]\naccess_token = 'credential:../good' #!\n" + folderA, "holds no slash"},
		"credential dots":    {"[kaizala]\naccess_token = 'credential:..' #!\n" + folderA, "holds no slash"},
		"secret control":     {"[kaizala]\naccess_token = \"hunter2\\r\\nX: y\" #!\n" + folderA, "access_token holds a control character"},
		"secret padded":      {"[kaizala]\naccess_token = 'hunter2 ' #!\n" + folderA, "begins or ends with white space"},
		"id a reference": {"[kaizala]\napplication_id = 'env:TOKEN' #!\napplication_secret = 'x'\nrefresh_token = 'y'\n" + folderA,
			"is not a secret and must be written out"},

		// Endpoint
		"endpoint bare":     {token + "endpoint = 'api.kaiza.la' #!\n" + folderA, `must be a whole address, such as "https://api.kaiza.la" (it is`},
		"endpoint scheme":   {token + "endpoint = 'ftp://api.kaiza.la' #!\n" + folderA, "must be a whole address"},
		"endpoint no host":  {token + "endpoint = 'https:///x' #!\n" + folderA, "must be a whole address"},
		"endpoint query":    {token + "endpoint = 'https://api.kaiza.la/?' #!\n" + folderA, "must end before any ? or #"},
		"endpoint fragment": {token + "endpoint = 'https://api.kaiza.la/#' #!\n" + folderA, "must end before any ? or #"},
		"endpoint v1":       {token + "endpoint = 'https://api.kaiza.la/v1/' #!\n" + folderA, "must end before /v1"},
		"endpoint clear":    {token + "endpoint = 'http://api.kaiza.la' #!\n" + folderA, "must begin with https://"},
		"endpoint token":    {token + "endpoint = 'https://api.kaiza.la/?key=hunter2' #!\n" + folderA, "must end before any ? or #"},
		"endpoint password": {token + "endpoint = 'https://me:hunter2@api.kaiza.la' #!\n" + folderA, "must hold no user name"},
		"endpoint port":     {token + "endpoint = 'https://api.kaiza.la:70000' #!\n" + folderA, "must have a port from 1 to 65535"},
		"endpoint empty":    {token + "endpoint = '' #!\n" + folderA, "must be a whole address"},
	}
}

func TestMistakes(t *testing.T) {
	dir := tree(t)
	for name, test := range mistakes() {
		t.Run(name, func(t *testing.T) {
			got := problemsOf(t, dir, test.text, env("TOKEN", "t0ken"))
			if len(got) != 1 {
				t.Fatalf("got %d problems, want one: %v", len(got), got)
			}
			if line := markedLine(test.text); got[0].Line != line {
				t.Errorf("got line %d, want %d: %s", got[0].Line, line, got[0].Text)
			}
			if !strings.Contains(got[0].Text, test.want) {
				t.Errorf("got %q, want it to contain %q", got[0].Text, test.want)
			}
			if strings.Contains(got[0].Text, "hunter2") || strings.Contains(got[0].Text, "123456") {
				t.Errorf("a secret shows: %q", got[0].Text)
			}
		})
	}
}

func markedLine(text string) int {
	before, _, ok := strings.Cut(text, "#!")
	if !ok {
		return 0
	}
	return 1 + strings.Count(before, "\n")
}

// TestAllowed are neighbours of the mistakes above that are none.
func TestAllowed(t *testing.T) {
	dir := tree(t)
	for name, text := range map[string]string{
		"inside, not recursive":   token + folderA + "[[folder]]\ngroup_id='h'\npath = '$DIR/a/sub'\n",
		"one group, two folders":  token + folderA + "[[folder]]\ngroup_id='g@2'\npath = '$DIR/b'\n",
		"common done":             token + "[defaults]\ndone = '$DIR/done'\n" + folderA + folderB,
		"names that begin alike":  token + folderA + "recursive = true\ndone = '../a2'\n" + folderB,
		"done of b in done of a":  token + folderA + "recursive = true\n" + folderB + "done = '$DIR/a/done/b'\n",
		"failed inside done":      token + folderA + "failed = 'done/failed'\n",
		"loopback by name":        token + "endpoint = 'http://localhost:1'\n" + folderA,
		"loopback in v6":          token + "endpoint = 'http://[::1]:1'\n" + folderA,
		"endpoint with v10":       token + "endpoint = 'https://h/v10'\n" + folderA,
		"pattern with escape":     token + folderA + "ignore = ['\\[draft\\]*']\n",
		"empty others with token": token + "application_id = ''\nrefresh_token = ''\n" + folderA,
	} {
		t.Run(name, func(t *testing.T) { mustLoad(t, dir, text, env("TOKEN", "t")) })
	}
}

// TestFolderMayNotHoldTheConfiguration: it would be posted with all that is secret in it, whatever name it is given by.
func TestFolderMayNotHoldTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	for name, folder := range map[string]string{"beside it": dir, "above it": filepath.Dir(dir)} {
		text := token + "[[folder]]\ngroup_id = 'g'\npath = '" + folder + "'\n"
		_, err := Parse(filepath.Join(dir, "config.toml"), text, 0o600, env("TOKEN", "t"))
		if err == nil || !strings.Contains(err.Error(), "config.toml:5: path ") || !strings.Contains(err.Error(), "reads its settings") {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Chdir(dir)
	if _, err := Parse("config.toml", token+"[[folder]]\ngroup_id = 'g'\npath = '"+dir+"'\n", 0o600, env("TOKEN", "t")); err == nil {
		t.Error("by a name without its directory")
	}
}

// TestWhatADiskSaysIsNoMistake: a folder that is missing, hidden or not a folder, and two that only a link makes one, are
// nothing that is wrong in the text. They may be right in a minute, and no other folder is to wait for that.
func TestWhatADiskSaysIsNoMistake(t *testing.T) {
	dir := tree(t)
	for name, text := range map[string]string{
		"path missing":       "[[folder]]\ngroup_id = 'g'\npath = '$DIR/nowhere'\n",
		"path a file":        "[[folder]]\ngroup_id = 'g'\npath = '$DIR/link-to-file'\n",
		"path below a file":  "[[folder]]\ngroup_id = 'g'\npath = '$DIR/file/x'\n",
		"done a file":        folderA + "done = '../file'\n",
		"done is failed":     folderA + "done = 'sub'\nfailed = '$DIR/link-to-sub'\n",
		"failed is folder":   folderA + "failed = '$DIR/link-to-a'\n",
		"same through link":  folderA + "[[folder]]\ngroup_id='h'\npath = '$DIR/link-to-a'\n",
		"linked inside":      folderA + "recursive = true\n[[folder]]\ngroup_id='h'\npath = '$DIR/link-to-sub'\n",
		"state through link": "state_dir = '$DIR/link-to-a'\n" + folderA,
	} {
		t.Run(name, func(t *testing.T) {
			state, rest, ok := strings.Cut(text, "[[folder]]") // state_dir comes before any section
			if !ok {
				t.Fatal("no folder")
			}
			c := mustLoad(t, dir, state+token+"[[folder]]"+rest, env("TOKEN", "t0ken"))
			if len(c.Folders) == 0 || c.Folders[0].Path == "" {
				t.Errorf("got %+v", c.Folders)
			}
		})
	}
}

func TestTenMistakesAtOnce(t *testing.T) {
	dir := tree(t)
	const file = `log_level = "loud"
state_dir = "here"
setle = "5s"

[kaizala]
access_token = "env:NOPE"
max_uploads = "four"
[defaults]
rescan = "0s"
[[folder]]
path = "nowhere"
group_id = ""
[[folder]]
path = "$DIR/a"
group_id = "g"
ignore = ["*.bak",
          "a["]
caption = """
{{.Size}}"""
`
	path := write(t, dir, file)
	_, err := Load(path, Environment{})
	want := []struct {
		line int
		part string
	}{
		{1, "log_level must be one of"}, {2, "state_dir must be an absolute path"}, {3, "did you mean settle?"},
		{6, "access_token refers to the environment variable"}, {7, "max_uploads must be a whole number"},
		{9, "rescan must be more than zero"}, {11, "path must be an absolute path"}, {12, "group_id must not be empty"},
		{17, `ignore holds "a["`}, {18, "caption is not a usable template"},
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != len(want) {
		t.Fatalf("got %d lines, want %d:\n%v", len(got), len(want), err)
	}
	for i, want := range want {
		if prefix := fmt.Sprintf("%s:%d: ", path, want.line); !strings.HasPrefix(got[i], prefix) || !strings.Contains(got[i], want.part) {
			t.Errorf("got %q, want %q and %q", got[i], prefix, want.part)
		}
	}
}

func TestProblemsError(t *testing.T) {
	p := &Problems{File: "a\nb.toml", List: []Problem{{0, "whole"}, {3, "third"}}}
	if got, want := p.Error(), "a\\nb.toml: whole\na\\nb.toml:3: third"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSyntaxHidesSecrets: the library's own messages would quote what stands in the file.
func TestSyntaxHidesSecrets(t *testing.T) {
	dir := tree(t)
	for _, value := range []string{
		"hunter", "77hunter", "0xhunter", "1_hunter", "-hunter", `"hunter`, `"hunter\q"`, `"hunter\uhunt"`, `'hunter`, `"""hunter`,
		"99999999999999999999999", "77.77.77", "1__7", "0777777", "2077-77-77", "[hunter", "{hunter", `"x" hunter`, "+0x77777",
	} {
		for _, p := range problemsOf(t, dir, "[kaizala]\naccess_token = "+value+"\n"+folderA, Environment{}) {
			if p.Line != 2 && !strings.HasPrefix(value, `"""`) && value[0] != '[' && value[0] != '{' {
				t.Errorf("%s: line %d, want 2: %s", value, p.Line, p.Text)
			}
			for _, secret := range []string{"hunt", "777", "77.", "2077", "1__7", "99999"} {
				if strings.Contains(p.Text, secret) {
					t.Errorf("%s shows in %q", value, p.Text)
				}
			}
		}
	}
}
