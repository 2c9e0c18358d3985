/* The points of the quadrature that tree Shapley values rest on. */
#include "math/shapley.h"

/* Points and weights of Gauss and Legendre on (0, 1): n of them are exact to degree 2n - 1. */
static const double shapley_points_4[4][2] = {{0.069431844202973714, 0.17392742256872679},
                                              {0.33000947820757187, 0.32607257743127321},
                                              {0.66999052179242813, 0.32607257743127321},
                                              {0.93056815579702623, 0.17392742256872679}};
static const double shapley_points_8[8][2] = {
    {0.019855071751231912, 0.050614268145188532}, {0.10166676129318664, 0.11119051722668721},
    {0.2372337950418355, 0.15685332293894344},    {0.40828267875217511, 0.18134189168918083},
    {0.59171732124782483, 0.18134189168918083},   {0.7627662049581645, 0.15685332293894344},
    {0.89833323870681336, 0.11119051722668721},   {0.98014492824876809, 0.050614268145188532}};

size_t lw_shapley_n_passes(size_t n_columns)
{
    return n_columns <= 8 ? 1 : 2;
}

static const double (*shapley_rule(size_t n_passes, size_t pass))[2]
{
    return (n_passes == 1 ? shapley_points_4 : shapley_points_8) + pass * LW_SHAPLEY_POINTS;
}

void lw_shapley_pass(size_t n_passes, size_t i, double weight,
                     struct lw_shapley_lanes ret_pass[LW_SHAPLEY_PASS_LANES])
{
    const double(*points)[2] = shapley_rule(n_passes, i);

    for (size_t k = 0; k < LW_SHAPLEY_POINTS; k++) {
        double factor = weight * points[k][1];

        ret_pass[0].lane[k] = points[k][0] / (1.0 - points[k][0]);
        ret_pass[1].lane[k] = factor; /* Below no column: nothing comes of it. */
        for (size_t m = 1; m <= LW_SHAPLEY_DEPTH_MAX; m++) {
            ret_pass[1 + m].lane[k] = factor;
            factor *= 1.0 - points[k][0];
        }
    }
}
