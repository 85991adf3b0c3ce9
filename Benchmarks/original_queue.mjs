// The queue that Sluice's scheduling grew out of, doing what QueueBenchmark does: enqueue, dequeue, reserve, complete, with
// so many messages queued all the time. Sources as published, run by Node 22 or newer:
//
//     node --experimental-transform-types original_queue.mjs <llm-queue-dispatcher/src> <llm-throttle/src> [seconds]
//
// Prints a line of JSON for each length of the queue.
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

const [queueSources, throttleSources, seconds = "5"] = process.argv.slice(2);

// Some files import types as if they were values.
const values = new Set();
for (const folder of [queueSources, throttleSources]) {
    for (const name of readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".ts"))) {
        const text = readFileSync(`${folder}/${name}`, "utf8");
        for (const [, value] of text.matchAll(/export (?:async )?(?:class|const|function|enum) (\w+)/g)) values.add(value);
    }
}

// The sources name each other as the files that a build would make of them.
registerHooks({
    resolve(specifier, context, next) {
        if (specifier === "@aid-on/llm-throttle") return next(pathToFileURL(`${throttleSources}/index.ts`).href, context);
        if (specifier.startsWith(".") && context.parentURL) {
            const source = new URL(specifier.replace(/\.js$/, ""), context.parentURL);
            for (const candidate of [`${source.href}.ts`, `${source.href}/index.ts`]) {
                if (existsSync(fileURLToPath(candidate))) return next(candidate, context);
            }
        }
        return next(specifier, context);
    },
    load(url, context, next) {
        if (!url.endsWith(".ts")) return next(url, context);
        const text = readFileSync(fileURLToPath(url), "utf8");
        const source = text.replace(/(import|export) \{([^}]*)\} from '(\.[^']*)'/g, (_, word, names, from) => {
            const kept = names.split(",").map((name) => name.trim()).filter((name) => values.has(name.split(" ")[0]));
            return `${word} { ${kept.join(", ")} } from '${from}'`;
        });
        return { format: "module", source: stripTypeScriptTypes(source, { mode: "transform" }), shortCircuit: true };
    },
});

const { createInMemoryLLMQueueDispatcher } = await import(pathToFileURL(`${queueSources}/index.ts`).href);
const { createLLMThrottle } = await import(pathToFileURL(`${throttleSources}/index.ts`).href);

const silent = { debug() {}, info() {}, warn() {}, error() {} };

for (const queued of [1_000, 10_000]) {
    const queue = createInMemoryLLMQueueDispatcher({ logger: silent });
    const limiter = createLLMThrottle({ rpm: 1e9, tpm: 1e12, burstRPM: 1e9, burstTPM: 1e12, logger: silent });
    let number = 0;
    const enqueue = () => {
        number += 1;
        return queue.enqueue({
            id: `request-${number}`,
            payload: { prompt: "" },
            priority: number % 4,
            tokenInfo: { estimated: 50 + ((number * 37) % 4_000) },
            createdAt: new Date(),
        });
    };
    for (let index = 0; index < queued; index += 1) await enqueue();
    const before = process.cpuUsage();
    const start = process.hrtime.bigint();
    const end = start + BigInt(Math.round(Number(seconds) * 1e9));
    let served = 0;
    let refused = 0;
    while (process.hrtime.bigint() < end) {
        await enqueue();
        const work = await queue.dequeue(limiter);
        if (!work) {
            refused += 1;
            if (refused > 1_000) break;
            continue;
        }
        limiter.consume(work.message.payload.id, work.message.payload.tokenInfo.estimated);
        await work.markAsProcessed();
        served += 1;
    }
    const elapsed = Number(process.hrtime.bigint() - start) / 1e9;
    const cpu = process.cpuUsage(before);
    queue.stop();
    console.log(
        JSON.stringify({
            queued,
            served,
            refused,
            perSecond: Math.round(served / elapsed),
            cpuMicroseconds: Number(((cpu.user + cpu.system) / Math.max(1, served)).toFixed(1)),
        }),
    );
}
