-- Perplexity of the second half of every window, where a small cache has long been full.
SELECT c.task, c.model, c.length, c.dtype, c.policy, c.budget, c.seed,
       round(exp(sum(nll_sum(s.nll_trace, 0, c.length / 2 - 1)) /
                 sum(nll_count(s.nll_trace, 0, c.length / 2 - 1))), 4) AS first_half,
       round(exp(sum(nll_sum(s.nll_trace, c.length / 2 - 1, c.length)) /
                 sum(nll_count(s.nll_trace, c.length / 2 - 1, c.length))), 4) AS second_half,
       count(*) AS n
FROM sample s JOIN cell c ON c.id = s.cell_id
WHERE s.nll_trace IS NOT NULL
GROUP BY c.id
ORDER BY c.task, c.model, c.length, c.dtype, c.policy, c.budget, c.seed;
