-- Every answer beside its references: what was read and cut, how it ended, what was scored.
SELECT c.task, s.sample_id, c.model, c.length, c.schedule, c.policy, c.budget, s.tokens_in, s.tokens_cut,
       json_extract(s.output, '$.cut.from') AS cut_from, s.bos_count,
       json_extract(s.output, '$.stop') AS stop, round(100 * s.score, 2) AS score,
       json_extract(s.output, '$.answer') AS answer,
       json_extract(s.output, '$.references') AS "references"
FROM cells c JOIN samples s ON s.cell_key = c.cell_key
WHERE json_extract(c.inputs, '$.task.identity.kind') = 'answers'
ORDER BY c.task, s.sample_id, c.model, c.length, c.schedule, c.policy, c.budget;
