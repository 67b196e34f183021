// What both programs with jsforce do, once they have a connection.
const { serve, version } = require("./steps.cjs");

const names = (records) => records.map((record) => record.Name);

exports.serveWith = (conn) => {
  const deal = conn.sobject("Opportunity");
  return serve({
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
};
