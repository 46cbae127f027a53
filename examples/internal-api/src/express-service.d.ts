import type { Guard } from '@countersign/core';
import type { Listening } from './services.ts';
/** The service on Express. */
export declare function startExpress(guard: Guard): Promise<Listening>;
