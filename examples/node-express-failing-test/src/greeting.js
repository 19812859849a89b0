'use strict';

function greeting(name) {
  const trimmed = name.trim();
  if (trimmed === '') {
    throw new RangeError('a name is at least one character');
  }
  return `Hello, ${trimmed}!`;
}

module.exports = { greeting };
