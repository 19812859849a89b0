'use strict';
const mysql = require('mysql2/promise');
const redis = require('redis');

/** Opens both databases, where DATABASE_URL and REDIS_URL say that they are. */
async function open() {
  const names = await mysql.createConnection(process.env.DATABASE_URL);
  await names.query('CREATE TABLE IF NOT EXISTS names (name VARCHAR(40) NOT NULL)');
  const counts = redis.createClient({ url: process.env.REDIS_URL });
  await counts.connect();
  return {
    /** Notes a visit; how many there were, and who came last. */
    async note(name) {
      await names.query('INSERT INTO names (name) VALUES (?)', [name]);
      const [rows] = await names.query('SELECT COUNT(*) AS known FROM names');
      return { visits: await counts.incr('visits'), names: rows[0].known };
    },
    async close() {
      await names.end();
      await counts.quit();
    },
  };
}

module.exports = { open };
