// The steps of README.md with toxiproxy-java. The library cannot populate.
import eu.rekawek.toxiproxy.Proxy;
import eu.rekawek.toxiproxy.ToxiproxyClient;
import eu.rekawek.toxiproxy.model.Toxic;
import eu.rekawek.toxiproxy.model.ToxicDirection;
import eu.rekawek.toxiproxy.model.ToxicList;
import eu.rekawek.toxiproxy.model.toxic.Latency;
import java.io.IOException;
import java.net.ConnectException;
import java.net.Socket;
import java.util.List;
import java.util.stream.Collectors;

public class Program {
    static void say(String step, Object seen) {
        String text = String.valueOf(seen).trim().replace("\"", "'").replace("\n", " ");
        System.out.println("{\"step\": \"" + step + "\", \"seen\": \"" + text + "\"}");
    }

    /** Milliseconds until the echo; -1 when refused. */
    static long ask(Proxy proxy) throws IOException {
        int at = proxy.getListen().lastIndexOf(':');
        long began = System.nanoTime();
        try (Socket sock = new Socket(proxy.getListen().substring(0, at), Integer.parseInt(proxy.getListen().substring(at + 1)))) {
            sock.setSoTimeout(5000);
            sock.getOutputStream().write('x');
            if (sock.getInputStream().read() != 'x') throw new IOException("no echo");
        } catch (ConnectException refused) {
            return -1;
        }
        return (System.nanoTime() - began) / 1_000_000;
    }

    static String shown(List<? extends Toxic> toxics) {
        return toxics.stream().map(each -> each.getName() + " " + each.getStream() + " " + each.getToxicity()).collect(Collectors.joining(", "));
    }

    public static void main(String[] given) throws IOException {
        ToxiproxyClient api = new ToxiproxyClient(given[0], Integer.parseInt(given[1]));
        String upstream = "127.0.0.1:" + given[2];
        say("version", api.version());
        Proxy proxy = api.createProxy("mine", "127.0.0.1:0", upstream);
        say("created", proxy.getName() + " " + proxy.isEnabled());
        say("asked", ask(proxy) >= 0);
        ToxicList toxics = proxy.toxics();
        Latency slow = toxics.latency("slow", ToxicDirection.DOWNSTREAM, 150);
        say("slow", slow.getLatency() + " " + slow.getJitter() + " " + slow.getToxicity());
        say("slowed", ask(proxy) >= 150);
        slow.setJitter(7).setToxicity(0.5f);
        Latency updated = toxics.get("slow", Latency.class);
        say("updated", updated.getLatency() + " " + updated.getJitter() + " " + updated.getToxicity());
        updated.remove();
        toxics.latency("latency", ToxicDirection.UPSTREAM, 1);
        toxics.bandwidth("bandwidth", ToxicDirection.UPSTREAM, 100);
        toxics.slowClose("slow_close", ToxicDirection.UPSTREAM, 1);
        toxics.timeout("timeout", ToxicDirection.UPSTREAM, 1);
        toxics.resetPeer("reset_peer", ToxicDirection.DOWNSTREAM, 1);
        toxics.slicer("slicer", ToxicDirection.UPSTREAM, 10, 1);
        toxics.limitData("limit_data", ToxicDirection.UPSTREAM, 1000);
        say("every toxic", shown(toxics.getAll()));
        proxy.disable();
        say("disabled", api.getProxy("mine").isEnabled() + " " + (ask(proxy) >= 0));
        proxy.enable();
        try {
            api.createProxy("mine", "127.0.0.1:0", upstream);
        } catch (IOException error) {
            say("again", error.getMessage());
        }
        api.reset();
        say("reset", shown(toxics.getAll()) + " " + (ask(proxy) >= 0));
        proxy.delete();
        say("deleted", api.getProxies().size());
    }
}
