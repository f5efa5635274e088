-- Scores (0 to 100) of questions about documents by task, policy and budget, with how answers ended.
SELECT json_extract(c.inputs, '$.task.identity.benchmark') AS benchmark, c.task, c.model, c.length,
       c.schedule, c.dtype, c.policy, c.budget,
       round(CASE json_extract(c.inputs, '$.task.identity.aggregate')
             WHEN 'mean' THEN 100 * sum(s.score) / count(s.score)
             WHEN 'geometric-mean-of-corpus' THEN 100 * pow(avg(json_extract(s.output, '$.scores.rouge1'))
                            * avg(json_extract(s.output, '$.scores.rouge2'))
                            * avg(json_extract(s.output, '$.scores.rougeL')), 1.0 / 3) END, 2) AS score,
       count(s.score) AS n, count(DISTINCT s.cluster) AS documents,
       round(avg(s.tokens_cut > 0), 3) AS cut,
       round(avg(json_extract(s.output, '$.stop') = 'length'), 3) AS ended_by_length, c.status
FROM cells c JOIN samples s ON s.cell_key = c.cell_key
WHERE json_extract(c.inputs, '$.task.identity.kind') = 'answers'
GROUP BY c.cell_key
ORDER BY benchmark, c.task, c.model, c.length, c.schedule, c.dtype, c.policy, c.budget;
