// Package web shows what the rules for Go find, and what they leave alone. A comment speaks of the line below it.
package web

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"database/sql"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/gin-gonic/gin"
)

func ping(w http.ResponseWriter, r *http.Request) {
	host := r.FormValue("host")
	// ruleid: go-command-injection
	exec.Command("sh", "-c", "ping "+host).Run()
	// ruleid: go-command-injection
	exec.CommandContext(r.Context(), "/bin/bash", "-c", fmt.Sprintf("ping %s", host)).Run()
	// ruleid: go-command-injection
	exec.Command(r.URL.Query().Get("program"), "x").Run()
	// ok: go-command-injection
	exec.Command("ping", "-c", "1", host).Run()
	// ok: go-command-injection
	exec.Command("sh", "-c", "ls -l").Run()
	count, _ := strconv.Atoi(r.FormValue("count"))
	// ok: go-command-injection
	exec.Command("sh", "-c", fmt.Sprintf("ping -c %d localhost", count)).Run()
}

func lookup(host string) error {
	// ruleid: go-command-injection
	return exec.Command("sh", "-c", "nslookup "+host).Run()
}

func ginPing(c *gin.Context) {
	// ruleid: go-command-injection
	exec.Command("bash", "-c", "ping "+c.Query("host")).Run()
	// ok: go-command-injection
	exec.Command("ping", c.Query("host")).Run()
}

func find(db *sql.DB, name string, w http.ResponseWriter, r *http.Request) {
	// ruleid: go-sql-injection
	db.Query("SELECT * FROM users WHERE name = '" + name + "'")
	// ruleid: go-sql-injection
	db.QueryRow(fmt.Sprintf("SELECT * FROM users WHERE name = '%s'", r.FormValue("name")))
	// ruleid: go-sql-injection
	db.ExecContext(r.Context(), "DELETE FROM users WHERE name = '"+name+"'")
	statement := "SELECT 1 FROM " + r.URL.Query().Get("table")
	// ruleid: go-sql-injection
	db.Exec(statement)
	// ok: go-sql-injection
	db.Query("SELECT * FROM users WHERE name = ?", name)
	// ok: go-sql-injection
	db.QueryContext(r.Context(), "SELECT * FROM users WHERE name = $1", r.FormValue("name"))
	id, _ := strconv.Atoi(r.FormValue("id"))
	// ok: go-sql-injection
	db.Query(fmt.Sprintf("SELECT * FROM users WHERE id = %d", id))
	// ok: go-sql-injection
	db.Query("SELECT " + "1")
}

func files(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	// ruleid: go-path-traversal
	os.Open("/data/" + name)
	// ruleid: go-path-traversal
	os.ReadFile(filepath.Join("/data", r.PathValue("name")))
	// ruleid: go-path-traversal
	http.ServeFile(w, r, "/data/"+r.FormValue("name"))
	// ok: go-path-traversal
	os.Open(filepath.Join("/data", filepath.Base(name)))
	// ok: go-path-traversal
	os.ReadFile("/data/readme.txt")
	// ok: go-path-traversal
	http.ServeFile(w, r, "/data/index.html")
}

func hello(w http.ResponseWriter, r *http.Request) {
	name := r.FormValue("name")
	// ruleid: go-cross-site-scripting
	fmt.Fprintf(w, "<h1>%s</h1>", name)
	// ruleid: go-cross-site-scripting
	w.Write([]byte("<h1>" + name))
	// ruleid: go-cross-site-scripting
	io.WriteString(w, r.URL.Query().Get("page"))
	// ruleid: go-cross-site-scripting
	_ = template.HTML(name)
	// ok: go-cross-site-scripting
	fmt.Fprintf(w, "<h1>%s</h1>", html.EscapeString(name))
	// ok: go-cross-site-scripting
	json.NewEncoder(w).Encode(map[string]string{"name": name})
	// ok: go-cross-site-scripting
	w.Write([]byte("<h1>hello</h1>"))
	// ok: go-cross-site-scripting
	_ = template.HTML("<b>bold</b>")
	// ok: go-cross-site-scripting
	fmt.Println(name)
}

func bold(text string) template.HTML {
	// ruleid: go-cross-site-scripting
	return template.HTML("<b>" + text + "</b>")
}

func fetch(w http.ResponseWriter, r *http.Request) {
	// ruleid: go-server-side-request-forgery
	http.Get(r.FormValue("url"))
	// ruleid: go-server-side-request-forgery
	http.NewRequest("GET", "http://"+r.FormValue("host")+"/hook", nil)
	// ok: go-server-side-request-forgery
	http.Get("https://api.example.com/users/" + r.FormValue("id"))
	// ok: go-server-side-request-forgery
	http.Get(fmt.Sprintf("https://api.example.com/users/%s", r.FormValue("id")))
	// ok: go-server-side-request-forgery
	http.Get("https://api.example.com/users")
}

func transport(config *tls.Config) *http.Transport {
	// ruleid: go-disabled-tls-checks
	config.InsecureSkipVerify = true
	// ok: go-disabled-tls-checks
	config.InsecureSkipVerify = false
	// ok: go-disabled-tls-checks
	_ = &tls.Config{MinVersion: tls.VersionTLS12}
	// ruleid: go-disabled-tls-checks
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
}

func hashes(data []byte, password string) {
	// ruleid: go-weak-hash
	md5.Sum(data)
	// ruleid: go-weak-hash
	sha1.New()
	// ruleid: go-weak-hash
	sha256.Sum256([]byte(password))
	// ok: go-weak-hash
	sha256.Sum256(data)
	// ok: go-weak-hash
	sha256.New()
}

// ruleid: go-hardcoded-secret
const apiKey = "kF9x2mQ7pL4vN8zR"

// ruleid: go-hardcoded-secret
var jwtSecret = []byte("kF9x2mQ7pL4vN8zR")

// ok: go-hardcoded-secret
const passwordField = "user_password_field"

func connect(options Options) {
	// ruleid: go-hardcoded-secret
	dbPassword := "correct-horse-battery"
	// ruleid: go-hardcoded-secret
	open(Options{User: "app", Password: dbPassword, APIKey: "kF9x2mQ7pL4vN8zR"})
	// ok: go-hardcoded-secret
	password := os.Getenv("DB_PASSWORD")
	// ok: go-hardcoded-secret
	secret := "changeme"
	open(Options{Password: password, Secret: secret})
}
