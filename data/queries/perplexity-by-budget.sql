-- Perplexity of every policy at every budget, with its standard error and the units behind it.
SELECT task, model, length, dtype, policy, budget, round(value, 4) AS ppl,
       round(stderr, 4) AS stderr, n, clusters, status
FROM results
WHERE metric = 'ppl'
ORDER BY task, model, length, dtype, policy, budget;
