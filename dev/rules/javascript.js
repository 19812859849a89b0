'use strict';

const { execFile, exec, spawn } = require('node:child_process');
const child = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const vm = require('node:vm');
const jwt = require('jsonwebtoken');
const escapeHtml = require('escape-html');

module.exports = function routes(app, database) {
  app.get('/ping', (req, res) => {
    // ruleid: js-command-injection
    exec('ping -c 1 ' + req.query.host, (error, out) => res.json({ out }));
    // ruleid: js-command-injection
    child.execSync(`ping -c 1 ${req.params.host}`);
    const host = req.body.host;
    const command = `ping ${host}`;
    // ruleid: js-command-injection
    child.exec(command);
    // ruleid: js-command-injection
    spawn(req.query.tool, ['-c'], { shell: true });
    // ok: js-command-injection
    execFile('ping', ['-c', '1', req.query.host]);
    // ok: js-command-injection
    spawn('ping', [req.query.host]);
    // ok: js-command-injection
    exec('ping -c ' + Number(req.query.count) + ' localhost');
    // ok: js-command-injection
    exec('uptime');
    // ok: js-command-injection
    /^[a-z]+$/.exec(req.query.host);
    const pattern = /^[a-z]+$/;
    // ok: js-command-injection
    pattern.exec(req.query.host);
  });

  app.post('/calculate', (request, response) => {
    // ruleid: js-code-injection
    const result = eval(request.body.formula);
    // ruleid: js-code-injection
    const made = new Function('x', request.body.formula);
    // ruleid: js-code-injection
    vm.runInNewContext(request.query.code, {});
    // ok: js-code-injection
    const parsed = JSON.parse(request.body.formula);
    // ok: js-code-injection
    eval('1 + 1');
    response.json({ result, made: made(1), parsed });
  });

  app.get('/users', async (req, res) => {
    // ruleid: js-sql-injection
    await database.query("SELECT * FROM users WHERE name = '" + req.query.name + "'");
    const statement = `SELECT * FROM users WHERE name = '${req.params.name}'`;
    // ruleid: js-sql-injection
    await database.execute(statement);
    // ruleid: js-sql-injection
    await database.raw(`DELETE FROM users WHERE id = ${req.body.id}`);
    // ok: js-sql-injection
    await database.query('SELECT * FROM users WHERE name = ?', [req.query.name]);
    // ok: js-sql-injection
    await database.query('SELECT * FROM users WHERE id = ' + Number(req.query.id));
    // ok: js-sql-injection
    await database.query('SELECT count(*) FROM users');
  });

  app.get('/files/:name', (req, res) => {
    // ruleid: js-path-traversal
    fs.readFileSync('files/' + req.params.name);
    const file = path.join('files', req.query.name);
    // ruleid: js-path-traversal
    fs.createReadStream(file);
    // ruleid: js-path-traversal
    res.sendFile(path.join(__dirname, req.params.name));
    // ok: js-path-traversal
    fs.readFileSync(path.join('files', path.basename(req.params.name)));
    // ok: js-path-traversal
    res.sendFile(req.params.name, { root: 'files' });
    // ok: js-path-traversal
    fs.readFileSync('files/index.html');
  });

  app.get('/hello', (req, res) => {
    // ruleid: js-cross-site-scripting
    res.send('<h1>Hello, ' + req.query.name + '</h1>');
    // ruleid: js-cross-site-scripting
    res.status(404).send(`nothing is called ${req.params.name}`);
    // ok: js-cross-site-scripting
    res.send('<h1>Hello, ' + escapeHtml(req.query.name) + '</h1>');
    // ok: js-cross-site-scripting
    res.json({ name: req.query.name });
    // ok: js-cross-site-scripting
    res.send('<h1>Hello</h1>');
  });
};

// ruleid: js-hardcoded-secret
const password = 'correct-horse-battery';
// ruleid: js-hardcoded-secret
const options = { host: 'db', password: 'correct-horse-battery' };
// ruleid: js-hardcoded-secret
jwt.sign({ user: 1 }, 'correct-horse-battery');
// ruleid: js-hardcoded-secret
options.apiKey = 'correct-horse-battery';
// ok: js-hardcoded-secret
const fromOutside = { password: process.env.PASSWORD };
// ok: js-hardcoded-secret
const label = { password: 'Your password please' };
// ok: js-hardcoded-secret
jwt.verify(options.token, process.env.JWT_SECRET);
// ok: js-hardcoded-secret
const passwordField = 'password-field';

module.exports.all = { password, options, fromOutside, label, passwordField };
