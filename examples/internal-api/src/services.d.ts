import { type CountersignEvent, type X509Source } from '@countersign/core';
/** The frameworks on which the same service runs. */
export type Framework = 'Fastify' | 'Express';
/** A service that listens on a free port of 127.0.0.1. */
export interface Service {
    readonly framework: Framework;
    readonly port: number;
    /** The events so far, oldest first. */
    readonly events: readonly CountersignEvent[];
    close(): Promise<void>;
}
/**
 * Starts the service once on Fastify and once on Express, with the same rules.
 *
 * @throws {ConfigurationError} if source, trust domains and rules do not match
 */
export declare function startServices({ source, trustDomains, log }: ServiceOptions): Promise<readonly Service[]>;
/** The options that both services share. */
export interface ServiceOptions {
    readonly source: X509Source;
    /** The trust domains whose workloads are authenticated. */
    readonly trustDomains: readonly string[];
    /** Called with each event, in addition to recording it. Default: events are only recorded. */
    readonly log?: (framework: Framework, event: CountersignEvent) => void;
}
/** What each framework's file returns. */
export type Listening = Pick<Service, 'port' | 'close'>;
