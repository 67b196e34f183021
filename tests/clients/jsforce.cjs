// jsforce with an access token, as anybody would use it.
const jsforce = require("jsforce");
const { serveWith } = require("./jsforce-steps.cjs");

const { BASE, TOKEN } = process.env;

const conn = new jsforce.Connection({ instanceUrl: BASE, accessToken: TOKEN }); // changed

serveWith(conn);
