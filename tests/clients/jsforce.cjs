// jsforce with an access token, as anybody would use it.
const jsforce = require("jsforce");
const { serve, version } = require("./steps.cjs");

const { BASE, TOKEN } = process.env;

const conn = new jsforce.Connection({ instanceUrl: BASE, accessToken: TOKEN }); // changed

const names = (records) => records.map((record) => record.Name);
const deal = conn.sobject("Opportunity");

serve({
  version: version("jsforce"),
  read: async (id) => (await conn.sobject("Account").retrieve(id)).Name,
  query: async () => names((await conn.query("SELECT Name FROM Account ORDER BY Name LIMIT 3")).records),
  pages: async () => names((await conn.query("SELECT Name FROM Account ORDER BY Name", { autoFetch: true })).records),
  identity: async () => (await conn.identity()).username,
  create: async (subject) => (await conn.sobject("Task").create({ Subject: subject })).id,
  update: async (Id, text) => (await deal.update({ Id, NextStep: text })).success,
  batch: async (one, two, text) =>
    (await deal.update([one, two].map((Id) => ({ Id, NextStep: text })))).map((done) => done.success),
  delete: async (task) => (await conn.sobject("Task").destroy(task)).success,
  denied: (Id) => deal.update({ Id, Amount: 5 }),
  held: async (Id, stage) => (await deal.update({ Id, StageName: stage })).success,
}, (error) => "errorCode" in error);
