'use strict';
const assert = require('node:assert');
const { test } = require('node:test');
const { open } = require('../src/visits.js');

test('a visit is counted in both databases, which are empty at first', async () => {
  const visits = await open();
  assert.deepEqual(await visits.note('Ada'), { visits: 1, names: 1 });
  assert.deepEqual(await visits.note('Grace'), { visits: 2, names: 2 });
  await visits.close();
});
