import com.amazon.randomcutforest.RandomCutForest;
import com.amazon.randomcutforest.config.Precision;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The Random Cut Forest library on the files that bench_rcf uses: RcfPeer TRAIN.csv TEST.csv TREES SAMPLE
 * Prints one line: CPU microseconds of this thread to score and learn a row, to learn one, and to score one. */
public final class RcfPeer {
    static final int REPEATS = 5, CALLS = 10000;

    static List<float[]> table(String path) throws Exception {
        List<String> lines = Files.readAllLines(Path.of(path));
        List<String> header = Arrays.asList(lines.get(0).split(","));
        int label = header.indexOf("label");
        List<float[]> rows = new ArrayList<>();
        for (String line : lines.subList(1, lines.size())) {
            String[] cells = line.split(",");
            float[] row = new float[label < 0 ? cells.length : cells.length - 1];
            for (int i = 0, k = 0; i < cells.length; i++) {
                if (i != label) {
                    row[k++] = Float.parseFloat(cells[i]);
                }
            }
            rows.add(row);
        }
        return rows;
    }

    static double sink;

    static double microseconds(RandomCutForest forest, List<float[]> rows, boolean scores, boolean learns) {
        var threads = ManagementFactory.getThreadMXBean();
        double[] us = new double[REPEATS];
        for (int repeat = -2; repeat < REPEATS; repeat++) { // The first two warm the compiler up.
            long begin = threads.getCurrentThreadCpuTime();
            for (int i = 0; i < CALLS; i++) {
                float[] row = rows.get(i % rows.size());
                if (scores) {
                    sink += forest.getAnomalyScore(row);
                }
                if (learns) {
                    forest.update(row);
                }
            }
            if (repeat >= 0) {
                us[repeat] = (threads.getCurrentThreadCpuTime() - begin) / 1e3 / CALLS;
            }
        }
        Arrays.sort(us);
        return us[REPEATS / 2];
    }

    public static void main(String[] arguments) throws Exception {
        List<float[]> train = table(arguments[0]), test = table(arguments[1]);
        RandomCutForest forest = RandomCutForest.builder().dimensions(test.get(0).length).shingleSize(1)
                .numberOfTrees(Integer.parseInt(arguments[2])).sampleSize(Integer.parseInt(arguments[3]))
                .precision(Precision.FLOAT_32).boundingBoxCacheFraction(1.0).parallelExecutionEnabled(false)
                .compact(true).randomSeed(1).build();
        for (float[] row : train) {
            forest.update(row);
        }
        double both = microseconds(forest, test, true, true), update = microseconds(forest, test, false, true);
        double score = microseconds(forest, test, true, false);
        System.out.println(both + " " + update + " " + score);
        if (Double.isNaN(sink)) {
            System.err.println("no scores");
        }
    }
}
