// jsforce with a user and a password.
const jsforce = require("jsforce");
const { serveWith } = require("./jsforce-steps.cjs");

const { BASE, USER, PASSWORD } = process.env;

const conn = new jsforce.Connection({ loginUrl: BASE }); // changed

conn.login(USER, PASSWORD).then(() => serveWith(conn));
