import type { Guard } from '@countersign/core';
import type { Listening } from './services.ts';
/** The service on Fastify. */
export declare function startFastify(guard: Guard): Promise<Listening>;
