// A PouchDB server over LevelDB, a database for each phone: `PORT=… DATA_DIR=… node pouch.js`.
const express = require('express');
const PouchDB = require('pouchdb-node').defaults({ prefix: `${process.env.DATA_DIR}/` });
const couch = require('express-pouchdb')(PouchDB, {
  mode: 'minimumForPouchDB',
  configPath: `${process.env.DATA_DIR}/config.json`,
  logPath: `${process.env.DATA_DIR}/log.txt`,
});

express().use('/', couch).listen(Number(process.env.PORT), '127.0.0.1');
