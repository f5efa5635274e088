-- Cells that did not end well, with the reason and the samples they got.
SELECT status, task, model, policy, budget, length, dtype, seed,
       samples_done || ' of ' || n_samples AS samples, reason, updated_at
FROM failures
ORDER BY status, task, model, policy, budget, length;
