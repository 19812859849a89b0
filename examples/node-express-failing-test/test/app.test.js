'use strict';

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const app = require('../src/app');

let server;
before((_, done) => { server = app.listen(0, '127.0.0.1', done); });
after((_, done) => { server.close(done); });

test('answers with a greeting', async () => {
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/greetings/Ada`);
  assert.deepEqual(await answer.json(), { message: 'Hello, Ada!' });
});
