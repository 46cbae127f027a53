import { expectNumber, MeasuredProcess } from '../measure/child-process.ts'
import type { Subject } from '../measure/interleave.ts'
import { type Identities, path } from '../workload.ts'
import { openHttp1Load } from './http1-load.ts'
import { openHttp2Load } from './http2-load.ts'
import { keepAwake } from './keep-awake.ts'
import type { RequestCase, RequestTask } from './request-case.ts'

/**
 * Starts a server in a separate process and opens connections to it. Each turn returns its microseconds per request.
 */
export async function startRequestSubject(
  requestCase: RequestCase,
  { server, caller }: Identities,
  requests: number,
): Promise<Subject> {
  const task: RequestTask = { ...requestCase, material: server }
  const started = await MeasuredProcess.start(new URL('./request-server.js', import.meta.url), task, {
    isMute: requestCase.logs,
  })
  const options = {
    host: '127.0.0.1',
    port: expectNumber(started.answer),
    key: caller.keyPem,
    cert: caller.certificatePem,
    // The identity of the server is not part of the measurement.
    rejectUnauthorized: false,
  }
  const { connections, http, isAllowed } = requestCase
  const open = http === 2 ? openHttp2Load : openHttp1Load
  const load = await open(options, connections, { path, status: isAllowed ? 200 : 403 })
  return {
    measure: async () => {
      const before = await started.process.askNumber('time')
      await keepAwake(load.send(requests))
      return ((await started.process.askNumber('time')) - before) / requests
    },
    stop: async () => {
      load.close()
      await started.process.stop()
    },
  }
}
