'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { greeting } = require('../src/greeting');

test('greets by name', () => assert.equal(greeting(' Ada '), 'Hello, Ada!'));
test('refuses an empty name', () => assert.throws(() => greeting('  '), RangeError));
