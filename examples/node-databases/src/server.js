'use strict';
const http = require('node:http');
const { open } = require('./visits.js');

open().then((visits) => {
  http
    .createServer(async (request, response) => {
      const told = await visits.note(request.method);
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(told));
    })
    .listen(process.env.PORT || 3000, () => console.log('visits are counted'));
});
