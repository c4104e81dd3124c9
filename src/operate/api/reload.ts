/** POST /reload: what SIGHUP does, with its result. */
import { showProblem } from '../../config/config.ts';
import { type Endpoint, failed, json } from './endpoint.ts';

export const reload: Endpoint = {
  method: 'POST',
  path: '/reload',
  async answer(running) {
    const result = await running.reload();
    if (result.kind === 'ok') return json({ moved: result.moved, held: result.held });
    return failed(409, result.problems.map(showProblem).join('\n'));
  },
};
