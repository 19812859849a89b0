'use strict';

const express = require('express');
const headers = require('./headers');
const { greeting } = require('./greeting');

const app = express();
app.disable('x-powered-by');
app.use(headers);

app.get('/', (request, response) => response.json({ status: 'UP' }));
app.get('/greetings/:name', (request, response) => response.json({ message: greeting(request.params.name) }));

module.exports = app;
