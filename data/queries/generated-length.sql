-- Mean length of what was generated, in tokens, and how often it ended by itself: for stories, under
-- each policy and budget (TOVA, arXiv 2401.06104, section 6.3). The last token of a text that did not
-- end by an end token is chosen and never read.
SELECT task, model, policy, budget, schedule, length, dtype,
       round(avg(tokens_seen - tokens_in + (json_extract(output, '$.stop') <> 'end')), 1) AS mean_tokens,
       round(avg(json_extract(output, '$.stop') <> 'length'), 3) AS ended_by_itself,
       count(*) AS samples
FROM samples
WHERE json_valid(output) AND json_extract(output, '$.stop') IS NOT NULL
GROUP BY cell_key
ORDER BY task, model, schedule, length, dtype, policy, budget;
